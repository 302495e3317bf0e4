"""Layers that TensorFlow cannot map: task after task, said once, the same numbers."""

import contextlib
import logging
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from maml_tf import MAML
from maml_tf.inner_loop import over_tasks
from maml_tf.inner_loop.one_by_one import TasksOneByOne
from maml_tf.inner_loop.tasks import TaskMap


def episodes():
    rows = np.random.default_rng(0).normal(size=(2, 2, 3, 2)).astype("float32")
    x = {
        "support_inputs": rows,
        "support_targets": np.array([[0, 1]] * 2),
        "query_inputs": rows,
    }
    return x, np.array([[0, 1]] * 2)


def reader(vectorized):
    """A base learner of strings, which TensorFlow cannot cut for all at once."""
    keras.utils.set_random_seed(0)
    cut = keras.layers.TextVectorization(output_sequence_length=3, name="cutting")
    cut.adapt(["open gate", "shut door"])
    base = keras.Sequential(
        [
            keras.Input((), dtype="string"),
            cut,
            keras.layers.Embedding(9, 4),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(2),
        ]
    )
    return MAML(base, inner_steps=1, inner_learning_rate=0.5, vectorized=vectorized)


def test_a_layer_is_named_once_and_answers_as_one_by_one(caplog):
    rows = tf.constant([["open gate", "shut door"], ["shut gate", "open door"]])
    x = {
        "support_inputs": rows,
        "support_targets": np.array([[0, 1]] * 2),
        "query_inputs": rows,
    }
    with caplog.at_level(logging.ERROR, "tensorflow"):
        with pytest.warns(TasksOneByOne, match=r"cutting.*one after another"):
            found = reader(True)(x)
        with warnings.catch_warnings():
            warnings.simplefilter("error", TasksOneByOne)
            expected = reader(False)(x)
    assert not [r for r in caplog.records if r.name == "tensorflow"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_what_cannot_be_mapped_is_tried_once_at_each_place(monkeypatch):
    tried, mapped = [], tf.vectorized_map

    def count(function, *arguments, **keywords):
        tried.append(function.__wrapped__)  # out of what AutoGraph leaves alone
        return mapped(function, *arguments, **keywords)

    monkeypatch.setattr(tf, "vectorized_map", count)
    words, task_map = tf.constant([["A", "b"], ["C", "d"]]), TaskMap()
    for _ in range(2):
        with pytest.warns(TasksOneByOne) if not tried else contextlib.nullcontext():
            lower = task_map("words", tf.strings.lower, words)
        assert lower.numpy().tolist() == [[b"a", b"b"], [b"c", b"d"]]
    assert tried == [tf.strings.lower]
    for _ in range(2):
        task_map("sums", tf.reduce_sum, tf.ones((2, 3)))
    assert tried[1:] == [tf.reduce_sum] * 2


def test_a_failure_of_the_functions_own_is_not_remembered_as_the_mappings():
    broken, task_map = [True], TaskMap()

    def function(row):
        if broken:
            raise KeyError("mine")
        return 2 * row

    with pytest.raises(KeyError, match="mine"):
        task_map("place", function, tf.ones((2, 3)))
    broken.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error", TasksOneByOne)
        task_map("place", function, tf.ones((2, 3)))
    assert not task_map._one_by_one


def test_an_error_of_the_functions_own_is_not_hidden():
    def fail(row):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        over_tasks(fail, tf.ones((2, 3)))


@pytest.mark.parametrize("layer", ["GaussianNoise", "GaussianDropout", "Dropout"])
@pytest.mark.filterwarnings("error::maml_tf.inner_loop.one_by_one.TasksOneByOne")
def test_noise_is_drawn_for_all_tasks_at_once(layer):
    base = keras.Sequential(
        [
            keras.Input((2,)),
            getattr(keras.layers, layer)(0.5, seed=1),
            keras.layers.Dense(2),
        ]
    )
    learner = MAML(base, inner_steps=1)
    rows = tf.constant(np.ones((2, 1, 2), "float32"))
    loop = learner.inner_loop
    fast = [tf.stack([w, w]) for w in loop.initial()]
    drawn, _ = loop.predict(
        fast, loop.constants(), rows, training=True, seeds=tf.constant([0, 1000])
    )
    assert np.abs(drawn[0] - drawn[1]).max() > 0, "two tasks drew the same noise"


def test_numeric_checks_find_nothing_in_a_healthy_run():
    x, y = episodes()
    tf.debugging.enable_check_numerics()
    try:
        base = keras.Sequential(
            [keras.Input((3, 2)), keras.layers.Flatten(), keras.layers.Dense(2)]
        )
        learner = MAML(base, inner_steps=2)
        learner.train_on_batch(x, y)
        learner.adapt(x["support_inputs"], x["support_targets"])
    finally:
        tf.debugging.disable_check_numerics()


def test_a_layer_frozen_later_keeps_its_weights_until_it_is_free_again():
    base = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(3, name="body"),
            keras.layers.Dense(2, name="top"),
        ]
    )
    learner = MAML(base, inner_steps=2, inner_learning_rate=1.0)
    support, targets = np.eye(2, dtype="float32")[None], np.array([[0, 1]])

    def moved():
        fast = learner.adapt(support, targets)
        start = {v.path: v.numpy() for v in base.variables}
        return {
            key[4:].split("/")[-2]
            for key, value in fast.items()
            if np.abs(value[0] - start[key[4:]]).max() > 0
        }

    assert moved() == {"body", "top"}
    base.get_layer("body").trainable = False
    learner.compile("sgd")
    assert moved() == {"top"}
    base.get_layer("body").trainable = True
    learner.compile("sgd")
    assert moved() == {"body", "top"}
