"""Second derivatives of normalisations against finite differences in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from maml_tf.base_learners import BatchStatisticsNormalization
from maml_tf.inner_loop.exact_moments import exact_moments
from maml_tf.learners import MAML


def dense(*layers):
    return keras.Sequential(
        [keras.Input((4,), dtype="float64"), *layers], name="normalised"
    )


LAYERS = {
    "layer": lambda: keras.layers.LayerNormalization(dtype="float64"),
    "batch": lambda: keras.layers.BatchNormalization(dtype="float64"),
    "batch_statistics": lambda: BatchStatisticsNormalization(dtype="float64"),
}


def slopes(layer, call):
    """One Hessian-vector product of a layer along a direction, in two ways."""
    rng = np.random.default_rng(0)
    x, inner, outer, direction = (tf.constant(rng.normal(size=(5, 4))) for _ in "four")
    model = dense(layer)

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_sum(inner * call(model, x, True) ** 2)
        return tf.reduce_sum(outer * tape.gradient(value, x))

    with tf.GradientTape() as tape:
        tape.watch(x)
        value = gradient(x)
    exact = tf.reduce_sum(direction * tape.gradient(value, x))
    epsilon = 1e-5
    difference = gradient(x + epsilon * direction) - gradient(x - epsilon * direction)
    return float(exact), float(difference) / (2 * epsilon)


def inside_the_loop(model, x, training):
    loop = MAML(model).inner_loop
    return loop.predict_task(loop.initial(), loop.constants(), x, training=training)[0]


@pytest.mark.parametrize("name", LAYERS)
def test_second_derivatives_of_a_base_learner_are_exact(name):
    exact, difference = slopes(LAYERS[name](), inside_the_loop)
    assert exact == pytest.approx(difference, rel=1e-6)


def test_keras_alone_gets_them_wrong():
    """Once this fails, TensorFlow has mended its moments and ours can go."""
    exact, difference = slopes(LAYERS["layer"](), lambda m, x, t: m(x, training=t))
    assert exact != pytest.approx(difference, rel=1e-2)


@pytest.mark.parametrize("keepdims", [True, False])
def test_values_are_those_of_tensorflow(keepdims):
    x = tf.constant(np.random.default_rng(0).normal(size=(3, 4, 5)))
    expected = tf.nn.moments(x, [0, 2], keepdims=keepdims)
    with exact_moments():
        given = tf.nn.moments(x, [0, 2], keepdims=keepdims)
    for one, other in zip(given, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
