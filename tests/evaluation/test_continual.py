"""Continual learning's figures by hand, its memories, and labels in doubt."""

import numpy as np
import pytest

from maml_tf.evaluation.continual_metrics import (
    average_accuracy,
    backward_transfer,
    forgetting,
    forward_transfer,
)
from maml_tf.evaluation.doubtful_labels import doubtful_labels
from maml_tf.evaluation.memories import Reservoir, herd

NAN = np.nan
TABLE = np.array([[0.8, NAN, NAN], [0.9, 0.7, NAN], [0.6, 0.75, 1.0]])


def test_figures_of_a_table():
    np.testing.assert_allclose(average_accuracy(TABLE), [0.8, 0.8, 2.35 / 3])
    assert forgetting(TABLE) == pytest.approx((0.3 + 0.0) / 2)
    assert backward_transfer(TABLE) == pytest.approx((-0.2 + 0.05) / 2)
    found = forward_transfer(np.array([0.1, 0.9, 0.8]), np.array([0.9, 0.8, 0.6]))
    assert found == pytest.approx(0.15)


@pytest.mark.parametrize(
    "table", [TABLE[:2], TABLE[:1, :1], np.where(TABLE == 0.6, NAN, TABLE)]
)
def test_tables_that_are_none(table):
    for figure in (average_accuracy, forgetting, backward_transfer):
        with pytest.raises(ValueError, match=r"square table|no accuracy"):
            figure(table)


def test_herding_keeps_the_mean_better_than_chance():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(40, 5))
    kept = herd(vectors, 8)
    assert len(set(kept)) == 8
    assert kept[:3].tolist() == herd(vectors, 3).tolist()
    off = np.linalg.norm(vectors[kept].mean(0) - vectors.mean(0))
    others = [random.permutation(40)[:8] for _ in range(50)]
    by_chance = [np.linalg.norm(vectors[o].mean(0) - vectors.mean(0)) for o in others]
    assert off < min(by_chance)
    assert sorted(herd(vectors[:3], 8)) == [0, 1, 2]


def test_a_reservoir_holds_each_as_often():
    counts = np.zeros(20)
    for seed in range(2000):
        reservoir = Reservoir(5, seed)
        reservoir.add(np.arange(7))
        reservoir.add(np.arange(7, 20))
        assert len(set(reservoir.held)) == 5
        counts[reservoir.held] += 1
    assert np.abs(counts / 2000 - 0.25).max() < 0.05


def test_memories_of_nothing():
    with pytest.raises(ValueError, match="one example or more, not 0"):
        Reservoir(0)
    with pytest.raises(ValueError, match="one example or more, not 0"):
        herd(np.eye(2), 0)


def test_labels_in_doubt():
    random = np.random.default_rng(0)
    centres = np.eye(6)[np.repeat(np.arange(6), 5)]
    vectors = centres + 0.1 * random.normal(size=centres.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = np.repeat(np.arange(6), 5)
    assert not doubtful_labels(vectors, labels).any()
    wrong = labels.copy()
    wrong[[3, 17]] = [4, 0]
    assert np.flatnonzero(doubtful_labels(vectors, wrong)).tolist() == [3, 17]
    # One class, or one example of a class, has nothing to contradict it.
    assert not doubtful_labels(vectors, np.zeros(30)).any()
    assert not doubtful_labels(vectors[[0, 1]], np.array([1, 2])).any()
