"""The perceptron, and which layer of a model is its head."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from base_learner_checks import assert_vectorises, saved_and_loaded

from maml_tf.base_learners import (
    BaseLearnerError,
    create_multilayer_perceptron,
    head_of,
)


def test_the_sinusoid_regressor_of_the_paper():
    model = create_multilayer_perceptron(seed=1)
    assert [v.shape for v in model.weights[::2]] == [(1, 40), (40, 40), (40, 1)]
    assert head_of(model).name == "head"
    again = create_multilayer_perceptron(seed=1)
    np.testing.assert_array_equal(model(np.ones((1, 1))), again(np.ones((1, 1))))


def test_saved_and_loaded_is_the_same(tmp_path):
    model = create_multilayer_perceptron(2, hidden_units=[3])
    inputs = np.ones((2, 2), "float32")
    loaded = saved_and_loaded(model, tmp_path)
    np.testing.assert_array_equal(loaded(inputs), model(inputs))


def test_differentiates_twice():
    model = create_multilayer_perceptron(hidden_units=[5], activation="tanh", seed=0)
    inputs = tf.reshape(tf.linspace(-1.0, 1.0, 6), (2, 3, 1))
    assert_vectorises(model, inputs)


def test_bad_widths_are_refused():
    with pytest.raises(BaseLearnerError, match="at least 1"):
        create_multilayer_perceptron(hidden_units=[0])


def test_the_head_is_found_inside_a_nested_model():
    inner = create_multilayer_perceptron(2, hidden_units=[3])
    model = keras.Sequential([keras.Input([2]), inner, keras.layers.Softmax()])
    assert head_of(model) is inner.get_layer("head")


def test_a_frozen_last_layer_is_not_the_head():
    model = keras.Sequential(
        [keras.Input([2]), keras.layers.Dense(3, name="a"), keras.layers.Dense(1)]
    )
    model.layers[-1].trainable = False
    assert head_of(model).name == "a"


def test_a_model_without_weights_has_no_head():
    with pytest.raises(BaseLearnerError, match="no trainable weights"):
        head_of(keras.Sequential([keras.Input([2]), keras.layers.ReLU()]))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("mixed_bfloat16", "float32"), ("float64", "float64"), ("bfloat16", "bfloat16")],
)
def test_predictions_have_the_precision_of_the_weights(policy, expected):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = create_multilayer_perceptron(3)
    finally:
        keras.config.set_dtype_policy(before)
    assert model.output.dtype == expected
    assert model.layers[1].compute_dtype == policy.removeprefix("mixed_")
