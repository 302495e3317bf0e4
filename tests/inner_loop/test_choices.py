"""What the inner loop decides by itself: which way back, what is shared."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from maml_tf.inner_loop.functional_model import FunctionalModel
from maml_tf.inner_loop.meta_gradients import exact
from maml_tf.inner_loop.meta_gradients.exact_unrolled import ExactUnrolled
from maml_tf.inner_loop.one_by_one import warn_of_one_by_one
from maml_tf.inner_loop.shared_layers import split_model


@pytest.mark.parametrize(
    ("steps", "tensors", "way"),
    [
        (3, 2, "unrolled"),
        (3, 1, "unrolled"),
        (3, 3, "recursive"),
        (4, 1, "recursive"),
        (1, 9, "unrolled"),
    ],
)
def test_few_steps_of_few_tensors_are_unrolled(monkeypatch, steps, tensors, way):
    monkeypatch.setattr(exact.ExactUnrolled, "run", lambda *_: "unrolled")
    monkeypatch.setattr(exact.ExactRecursive, "run", lambda *_: "recursive")
    chosen = exact.Exact(unrolled_steps=3, unrolled_tensors=6)
    problem = SimpleNamespace(steps=steps)
    assert chosen.run(problem, {"fast": [None] * tensors}, None) == way


def test_a_task_that_breaks_at_any_step_is_broken():
    losses = tf.constant([[1.0, np.nan, 1.0, np.inf], [1.0, 1.0, np.nan, np.nan]])

    def step_all(weights, state, fixed, shared, step):
        return weights, state, SimpleNamespace(loss=losses[step])

    problem = SimpleNamespace(steps=2, every_step=False, step_all=step_all)
    given = {"fast": [tf.ones((4, 2))], "state": [], "inputs": tf.ones((4, 1))}
    _, finite, _ = ExactUnrolled().run(problem, given, [tf.ones(3)])
    assert finite.numpy().tolist() == [True, False, False, False]


def test_what_is_in_an_operation_of_tensorflow_is_no_layer():
    said = 'name: "loop_body/net/lstm/PartitionedCall/inside/Exit" op: "ZerosLike"'
    with pytest.warns(UserWarning, match="The layer 'net/lstm' cannot"):
        warn_of_one_by_one(ValueError(), [said])


@pytest.mark.parametrize(
    ("first", "shares"),
    [
        (keras.layers.Embedding(9, 4, mask_zero=True), False),
        (keras.layers.Embedding(9, 4), True),
    ],
)
def test_layers_above_a_mask_are_not_cut_from_it(first, shares):
    above = [keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((3,), dtype="int32"), first, *above])
    split = split_model(model, model.layers[-1].trainable_variables)
    assert split.shares is shares
    # Zeros are left out of the mean where they are masked.
    ids = tf.constant([[1, 2, 0]])
    found = split.rest(split.shared(ids, False), False)
    np.testing.assert_allclose(found, model(ids), rtol=1e-6)


def test_what_was_assigned_are_statistics_and_no_counters_of_seeds():
    layers = [keras.layers.BatchNormalization(), keras.layers.Dropout(0.5, seed=0)]
    model = keras.Sequential([keras.Input((2,)), *layers, keras.layers.Dense(1)])
    functional = FunctionalModel(model, model.layers[-1].trainable_variables)
    ran = functional.run(
        lambda inputs, training: model(inputs, training=training),
        None,
        functional.constants(),
        tf.constant([[1.0, 2.0], [3.0, 6.0]]),
        training=True,
    )
    names = {functional.constant_variables[place].name for place in ran.assigned}
    assert names == {"moving_mean", "moving_variance"}
