"""Calibration of a learner on validation tasks."""

import keras
import numpy as np
import pytest

from maml_tf import MAML, PrototypicalNetwork
from maml_tf.episodes import EncodedCorpus
from maml_tf.evaluation import calibrate_learner

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


def test_a_class_to_spare_sets_the_threshold_between_both_sides():
    inside, outside = 6 * 0.09 * 1.5, 2.0  # squared distances without and with a class
    fitted = calibrate_learner(identity(), corpus(6), **SHAPE)
    assert -outside - 0.5 < fitted.threshold < -inside


def test_without_a_spare_class_nearly_all_queries_pass():
    data = corpus(3)
    fitted = calibrate_learner(identity(), data, **SHAPE)
    other = calibrate_learner(identity(), corpus(6), **SHAPE)
    assert fitted.threshold != other.threshold
    assert fitted.threshold < 0


def test_the_temperature_undoes_a_wrong_scale():
    right = calibrate_learner(identity(scale=1.0), corpus(6, noise=1.0), **SHAPE)
    wrong = calibrate_learner(identity(scale=4.0), corpus(6, noise=1.0), **SHAPE)
    assert wrong.temperature == pytest.approx(4 * right.temperature, rel=1e-3)


def test_learners_with_an_inner_loop_are_calibrated_too():
    base = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    learner = MAML(base, inner_steps=2, inner_learning_rate=0.5)
    fitted = calibrate_learner(learner, corpus(6), **SHAPE, episodes=10)
    assert np.isfinite([fitted.temperature, fitted.threshold]).all()
