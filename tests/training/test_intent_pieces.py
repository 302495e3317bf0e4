"""Kept trainings; names and whole bots by hand."""

import keras
import numpy as np
import pytest

from maml_tf.evaluation.calibration import Calibration
from training.common.rotation_settings import RotationSettings
from training.research.intents.bots import BotLogits, bot_measures, mean_measures
from training.research.intents.kept_training import (
    PROJECTION,
    train_kept,
    train_projection,
    whiten,
)
from training.research.intents.names import choose_name_weight, named_episode_accuracies


def classes(count=6, rows=8, dim=5, noise=0.7):
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(count), rows)
    centres = random.normal(size=(count, dim))
    vectors = centres[labels] + noise * random.normal(size=(len(labels), dim))
    return vectors.astype("float32"), labels


def train(folder, steps, *, vectors=None, labels=None, head=None, **options):
    if vectors is None:
        vectors, labels = classes()
    head = head or whiten(vectors, labels).layer
    before = head.get_weights()[1]
    settings = RotationSettings(steps, ways=4)
    model = keras.Sequential([keras.Input(vectors.shape[1:]), head])
    train_kept(
        model, vectors, labels, settings, work_dir=folder, name="head", **options
    )
    return head.get_weights()[1], before


def test_a_training_is_read_back_and_another_one_is_not(tmp_path):
    vectors, labels = classes()
    same = tmp_path / "same"
    first, before = train(same, 3)
    assert np.abs(first - before).max() > 1e-5
    np.testing.assert_array_equal(train(same, 3)[0], first)
    assert len(list(same.iterdir())) == 1
    others = {"vectors": np.sin(vectors), "labels": labels}
    found, fresh = (train(tmp_path / name, 3, **others)[0] for name in ("same", "new"))
    assert np.abs(found - first).max() > 1e-3
    np.testing.assert_allclose(found, fresh, rtol=1e-5, atol=1e-7)


def test_all_that_a_training_depends_on_is_in_its_identity(tmp_path, monkeypatch):
    module = "training.research.intents.kept_training.train_rotating"
    monkeypatch.setattr(module, lambda *arguments, **options: 0.0)
    vectors, labels = classes()
    examples = {"vectors": vectors, "labels": labels}
    calls = [
        (3, examples),
        (4, examples),
        (3, {**examples, "groups": labels % 2}),
        (3, {**examples, "templates": np.arange(len(labels))}),
        (3, {**examples, "head": whiten(vectors + 1, labels).layer}),
        (3, {**examples, "labels": np.roll(labels, 1)}),
    ]
    for steps, options in calls:
        train(tmp_path, steps, **options)
    assert len(list(tmp_path.iterdir())) == len(calls)
    train(tmp_path, 3, **examples)
    assert len(list(tmp_path.iterdir())) == len(calls)


def test_what_is_called_a_projection_has_its_share_chosen_by_validation(tmp_path):
    vectors, labels = classes(noise=1.0)
    # Trained at a rate that ruins it: the closed form is better, and is what is kept.
    settings = RotationSettings(20, ways=4, learning_rate=1.0)
    options = {"work_dir": tmp_path, "name": "p", "shots": (1, 2), "ways": 4}
    projection = train_projection(
        vectors, labels, (vectors, labels), queries=3, settings=settings, **options
    )
    assert projection.share == 0
    np.testing.assert_allclose(
        projection(vectors), whiten(vectors, labels)(vectors), rtol=1e-5, atol=1e-6
    )
    assert PROJECTION.steps == 200


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
    # With no example at all, the names answer alone.
    none = {**options, "shots": 0}
    alone = named_episode_accuracies(vectors, labels, right, weight=1.0, **none)
    assert alone.mean() > without + 0.05
    np.testing.assert_array_equal(
        alone, named_episode_accuracies(vectors, labels, right, weight=2.0, **none)
    )
    with pytest.raises(ValueError, match="need a weight above 0"):
        named_episode_accuracies(vectors, labels, right, weight=0.0, **none)


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
    assert mean_measures([found, found], "ab")["ci95"] == 0


def test_draws_of_the_same_domains_do_not_narrow_the_interval():
    def bots(draws):
        rows = [{"accuracy": a, "auroc": 1.0} for a in (0.6, 0.7, 0.8) * draws]
        return mean_measures(rows, "abc" * draws)

    assert bots(20)["ci95"] == bots(1)["ci95"] > 0.2
    assert bots(20)["interval_over"] == "domains"
    alone = mean_measures([{"accuracy": 0.6}, {"accuracy": 0.8}], "aa")
    assert alone["interval_over"] == "support sets" and alone["ci95"] > 1
