"""Accuracy over episodes: the interval, and the features computed once."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from maml_tf import (
    MAML,
    ProtoMAML,
    PrototypicalNetwork,
    create_model,
    create_text_encoder,
)
from maml_tf.episodes import Corpus, EncodedCorpus, encode_corpus, episode_dataset
from maml_tf.evaluation import (
    EvaluationError,
    accuracy_by_inner_steps,
    calibrate_learner,
    embed_corpus,
    episode_accuracies,
    mean_with_interval,
)
from maml_tf.evaluation.features import drawn_rows
from maml_tf.evaluation.finite import checked_predictions
from maml_tf.inner_loop import GradientDescent

SIZES = {"num_layers": 1, "hidden_dim": 16, "num_heads": 2, "sequence_length": 32}
TASKS = {"ways": 3, "shots": 2, "queries": 3}


def test_interval_against_the_textbook():
    accuracy = mean_with_interval([0.0, 1.0] * 50)
    assert accuracy.mean == 0.5
    assert accuracy.ci95 == pytest.approx(1.96 * 0.502519 / 10, rel=1e-5)
    with pytest.raises(ValueError, match="two episodes"):
        mean_with_interval([1.0])


def broken_network(after=np.nan):
    """Makes vectors of NaN of some texts."""
    layer = keras.layers.Lambda(lambda x: tf.where(x > 0.5, after, x))
    return PrototypicalNetwork(keras.Sequential([keras.Input((3,)), layer]))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_predictions_that_are_no_numbers_are_not_judged_as_chance(value):
    """Their largest is the first of them, which is right once in so many ways."""
    rows = np.repeat(np.eye(3, dtype="float32"), 5, axis=0)
    data = EncodedCorpus(rows, np.repeat(np.arange(3), 5).astype("int32"), tuple("abc"))
    options = {**TASKS, "episodes": 2}
    for judge in (episode_accuracies, calibrate_learner):
        with pytest.raises(EvaluationError, match="5 of 15 vectors of the encoder"):
            judge(broken_network(value), data, **options)
    # Where adapting changes the encoder, there are predictions alone.
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    model.layers[-1].bias.assign([0, value, 0])
    learner = MAML(model, inner_steps=1, fast_weights="all")
    for judge in (episode_accuracies, calibrate_learner):
        with pytest.raises(EvaluationError, match="predictions are NaN or infinite"):
            judge(learner, data, **options)
    assert checked_predictions([[-np.inf, 0.0]]).argmax() == 1


def test_steps_after_which_a_learner_diverges_are_left_out_of_the_curve():
    rows = np.repeat(np.eye(3, dtype="float32"), 5, axis=0)
    data = EncodedCorpus(rows, np.repeat(np.arange(3), 5).astype("int32"), tuple("abc"))
    base = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    # The loss is flat at once, but for a rate at which the first step overflows.
    learner = MAML(base, inner_steps=1, update_rule=GradientDescent(1e39))
    with pytest.warns(UserWarning, match="After 1 inner steps"):
        curve = accuracy_by_inner_steps(
            learner, data, steps=(0, 1), episodes=2, **TASKS
        )
    assert list(curve) == [0]


def colours(preprocessor):
    words = ["red", "green", "blue", "black", "white"]
    rows = [(f"{w} {w[: n % 3]} {'x' * n}", w) for w in words for n in range(9)]
    return encode_corpus(Corpus(*zip(*rows, strict=True)), preprocessor)


@pytest.mark.parametrize("distance", ["squared_euclidean", "cosine"])
def test_features_computed_once_give_the_same_accuracies(distance):
    network = PrototypicalNetwork(
        create_text_encoder(**SIZES, seed=1), distance=distance, scale=3.0
    )
    data = colours(network.base_learner.preprocessor)
    once = episode_accuracies(network, data, episodes=9, seed=4, **TASKS)
    direct = []
    for x, y in episode_dataset(data, tasks_per_batch=1, steps=9, seed=4, **TASKS):
        direct.append(np.mean(np.argmax(network(x), -1) == y.numpy()))
    # Batches of one task draw as `episode_accuracies` does over stored features.
    np.testing.assert_allclose(
        episode_accuracies(
            network, data, episodes=9, seed=4, tasks_per_batch=1, **TASKS
        ),
        direct,
    )
    assert len(once) == 9 and 1 / 3 < np.mean(once) < 1


@pytest.mark.parametrize("kind", [MAML, ProtoMAML])
def test_a_learner_of_the_head_is_judged_over_features(kind):
    learner = kind(
        create_model(num_classes=3, **SIZES, seed=1),
        fast_weights="head",
        inner_learning_rate=0.3,
        inner_steps=2,
        update_rule=GradientDescent(0.3, learned=True),
    )
    for rate in learner.inner_loop.rule.variables:
        rate.assign(0.2)
    encoder, small = learner.over_features()
    data = colours(learner.base_learner.preprocessor)
    x, _ = next(iter(episode_dataset(data, tasks_per_batch=2, steps=1, **TASKS)))
    over = {
        key: value
        if key == "support_targets"
        else tf.stack(
            [
                encoder(tf.nest.map_structure(lambda t, i=i: t[i], value))
                for i in range(2)
            ]
        )
        for key, value in x.items()
    }
    np.testing.assert_allclose(learner(x), small(over), rtol=1e-4, atol=1e-4)
    everywhere = kind(create_model(num_classes=3, **SIZES), inner_steps=1)
    assert everywhere.over_features() is None


def test_embedding_a_corpus_keeps_rows_in_their_place():
    encoder = create_text_encoder(**SIZES, seed=1)
    data = colours(encoder.preprocessor)
    vectors = embed_corpus(encoder, data, batch_size=7).inputs
    np.testing.assert_allclose(vectors, encoder(data.inputs), rtol=1e-4, atol=1e-5)


def test_accuracy_by_inner_steps_adapts_anew_for_each_number():
    learner = MAML(
        create_model(num_classes=3, **SIZES, seed=1), inner_learning_rate=0.5
    )
    data = colours(learner.base_learner.preprocessor)
    curve = accuracy_by_inner_steps(
        learner, data, steps=(0, 8), episodes=8, seed=2, **TASKS
    )
    assert list(curve) == [0, 8]
    assert curve[8].mean > curve[0].mean


def test_only_the_rows_that_episodes_draw_are_encoded():
    encoder = create_text_encoder(**SIZES, seed=1)
    data = colours(encoder.preprocessor)

    def draw(corpus):
        return episode_dataset(corpus, tasks_per_batch=1, steps=1, **TASKS)

    rows = drawn_rows(data, draw)
    assert 0 < len(rows) < len(data.labels)
    part = embed_corpus(encoder, data, rows=rows)
    whole = embed_corpus(encoder, data)
    for mine, theirs in zip(draw(part), draw(whole), strict=True):
        for name in ("support_inputs", "query_inputs"):
            np.testing.assert_allclose(mine[0][name], theirs[0][name], atol=1e-5)
    others = np.setdiff1d(np.arange(len(data.labels)), rows)
    assert not part.inputs[others].any()


@pytest.mark.parametrize("kind", [PrototypicalNetwork, MAML])
def test_judging_again_traces_nothing_anew(kind):
    """Its weights are read anew, and a layer that is frozen is not in the old graph."""
    rows = np.repeat(np.eye(3, dtype="float32"), 6, axis=0)
    data = EncodedCorpus(rows, np.repeat(np.arange(3), 6).astype("int32"), tuple("abc"))
    traces = []

    class Counted(kind):
        def adapt(self, *arguments, **options):
            traces.append(1)
            return super().adapt(*arguments, **options)

    learner = Counted(keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)]))
    first = episode_accuracies(learner, data, **TASKS, episodes=4)
    once = len(traces)
    for _ in range(3):
        again = episode_accuracies(learner, data, **TASKS, episodes=4)
    assert once >= 1
    assert len(traces) == once
    np.testing.assert_array_equal(first, again)
    learner.base_learner.set_weights([np.full((3, 3), 0.0), np.zeros(3)])
    if kind is PrototypicalNetwork:  # all texts are alike
        changed = episode_accuracies(learner, data, **TASKS, episodes=4)
        np.testing.assert_allclose(changed, 1 / 3)
        assert len(traces) == once
    learner.base_learner.layers[-1].trainable = False
    episode_accuracies(learner, data, **TASKS, episodes=4)
    assert len(traces) > once
