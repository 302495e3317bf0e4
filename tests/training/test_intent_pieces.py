"""Meta-training goes on exactly; names and whole bots by hand."""

import keras
import numpy as np
import pytest

from maml_tf.evaluation.calibration import Calibration
from training.research.intents.bots import BotLogits, bot_measures, mean_measures
from training.research.intents.fold_learners import make_projection
from training.research.intents.meta_training import MetaTrainingSettings, meta_train
from training.research.intents.names import choose_name_weight, named_episode_accuracies


def classes(count=6, rows=8, dim=5, noise=0.7):
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(count), rows)
    centres = random.normal(size=(count, dim))
    vectors = centres[labels] + noise * random.normal(size=(len(labels), dim))
    return vectors.astype("float32"), labels


def train(path, steps, every=2):
    vectors, labels = classes()
    head = make_projection(vectors, labels)
    before = head.get_weights()[1]
    settings = MetaTrainingSettings(steps, ways=4, checkpoint_every=every)
    meta_train(head, lambda rows: vectors[rows], labels, settings, path)
    return head, before


class Killed(Exception):
    pass


def test_going_on_after_a_kill_is_the_same_as_never_having_stopped(tmp_path):
    vectors, labels = classes()
    whole, before = train(tmp_path / "whole.npz", 4)
    assert np.abs(whole.get_weights()[1] - before).max() > 1e-5
    calls = []

    def dies(rows):
        calls.append(rows)
        if len(calls) > 6:  # support and query of three steps
            raise Killed
        return vectors[rows]

    settings = MetaTrainingSettings(4, ways=4, checkpoint_every=2)
    path = tmp_path / "parts.npz"
    with pytest.raises(Killed):
        meta_train(make_projection(vectors, labels), dies, labels, settings, path)
    again, _ = train(path, 4)
    for mine, theirs in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-7)


def test_a_checkpoint_of_other_settings_is_not_taken_up(tmp_path):
    path = tmp_path / "head.npz"
    train(path, 2)
    other, _ = train(path, 3)
    fresh, _ = train(tmp_path / "fresh.npz", 3)
    np.testing.assert_allclose(other.get_weights()[1], fresh.get_weights()[1])


def test_episodes_stay_within_their_group(tmp_path):
    vectors, labels = classes()
    groups = labels % 2
    seen = []

    def inputs_of(rows):
        seen.append({int(g) for g in groups[rows]})
        return vectors[rows]

    settings = MetaTrainingSettings(4, ways=3)
    path = tmp_path / "head.npz"
    head = make_projection(vectors, labels)
    meta_train(head, inputs_of, labels, settings, path, groups=groups)
    assert all(len(s) == 1 for s in seen) and set.union(*seen) == {0, 1}


def test_names_help_where_they_are_right_and_not_where_they_are_wrong():
    vectors, labels = classes(noise=1.5)
    means = np.stack([vectors[labels == c].mean(axis=0) for c in range(6)])
    right = dict(enumerate(means))
    wrong = dict(enumerate(np.roll(means, 1, axis=0)))
    options = {"shots": 1, "ways": 5, "queries": 5, "episodes": 60}
    with_names, without = (
        named_episode_accuracies(vectors, labels, right, weight=w, **options).mean()
        for w in (2.0, 0.0)
    )
    assert with_names > without + 0.05
    assert choose_name_weight(vectors, labels, right, **options) > 0.5
    assert choose_name_weight(vectors, labels, wrong, **options) == 0


def test_measures_of_a_bot_by_hand():
    bot = BotLogits(
        logits=np.array([[-1.0, -5], [-5, -1], [-1, -5], [-9, -8]]),
        labels=np.array([0, 1, 1, 1]),
        outside=np.array([[-9.5, -9], [-2, -7]]),
    )
    found = bot_measures(bot, Calibration(temperature=1.0, threshold=-4.0))
    assert found["accuracy"] == 0.75
    # Of the queries two are right and let in; of the others one is turned away.
    assert found["accuracy_with_rejection"] == 0.5
    # Scores -1, -1, -1, -8 against -9 and -2: seven of eight pairs in order.
    assert found["auroc"] == 0.875
    assert found["false_positive_rate_at_95"] == 0.5
    assert found["calibration_error_before"] == found["calibration_error_after"]
    assert mean_measures([found, found])["ci95"] == 0


@pytest.fixture(autouse=True)
def _quiet():
    keras.utils.set_random_seed(0)


def test_a_checkpoint_of_another_model_is_not_taken_up(tmp_path):
    path = tmp_path / "head.npz"
    train(path, 2)
    vectors, labels = classes(dim=6)
    settings = MetaTrainingSettings(2, ways=4, checkpoint_every=2)
    head = make_projection(vectors, labels)
    before = head.get_weights()[1]
    meta_train(head, lambda rows: vectors[rows], labels, settings, path)
    assert np.abs(head.get_weights()[1] - before).max() > 1e-5
