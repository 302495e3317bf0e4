"""Calibration of a learner on validation tasks."""

import keras
import numpy as np
import pytest

from maml_tf import MAML, PrototypicalNetwork
from maml_tf.episodes import EncodedCorpus, SamplingError, episode_dataset
from maml_tf.evaluation import calibrate_learner
from maml_tf.evaluation.scope_rule import support_features

SHAPE = {"ways": 3, "shots": 2, "queries": 3}


def corpus(classes, rows=8, noise=0.3, dim=6):
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), rows)
    vectors = np.eye(dim)[labels] + noise * random.normal(size=(len(labels), dim))
    names = tuple(map(str, range(classes)))
    return EncodedCorpus(vectors.astype("float32"), labels.astype("int32"), names)


def identity(**options):
    return PrototypicalNetwork(
        keras.Sequential([keras.Input((6,)), keras.layers.Identity()]), **options
    )


@pytest.fixture(scope="module")
def fitted():
    data = corpus(6, rows=40)
    return calibrate_learner(
        identity(), data, **SHAPE, episodes=600, seed=1, recall=0.8
    )


@pytest.mark.parametrize("shots", [1, 2, 5])
def test_the_rule_lets_its_share_pass_at_any_number_of_examples(fitted, shots):
    network, passed = identity(), []
    for x, _ in episode_dataset(
        corpus(6, rows=40),
        ways=3,
        shots=shots,
        queries=5,
        tasks_per_batch=1,
        steps=200,
        seed=2,
    ):
        fast = network.adapt(x["support_inputs"], x["support_targets"])
        known, asked = (
            network.predict_adapted(fast, x[name])[0].numpy()
            for name in ("support_inputs", "query_inputs")
        )
        features = support_features(known, x["support_targets"][0])
        passed.append(fitted.in_scope(asked, features).mean())
    assert np.mean(passed) == pytest.approx(0.8, abs=0.05)


def test_a_corpus_too_small_for_the_task_is_refused():
    with pytest.raises(SamplingError, match="3 ways"):
        calibrate_learner(identity(), corpus(2), **SHAPE)


def test_the_temperature_undoes_a_wrong_scale():
    right = calibrate_learner(identity(scale=1.0), corpus(6, noise=1.0), **SHAPE)
    wrong = calibrate_learner(identity(scale=4.0), corpus(6, noise=1.0), **SHAPE)
    assert wrong.temperature == pytest.approx(4 * right.temperature, rel=1e-3)


def test_learners_with_an_inner_loop_are_calibrated_too():
    base = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    learner = MAML(base, inner_steps=2, inner_learning_rate=0.5)
    fitted = calibrate_learner(learner, corpus(6), **SHAPE, episodes=10)
    assert np.isfinite([fitted.temperature, *fitted.threshold.coefficients]).all()
