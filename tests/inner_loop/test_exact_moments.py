"""Second derivatives of normalisations against finite differences in float64."""

import concurrent.futures
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_episodes
from tensorflow.python.ops import nn_impl

from maml_tf.base_learners import BatchStatisticsNormalization
from maml_tf.inner_loop.exact_moments import exact_moments, moments
from maml_tf.inner_loop.tasks import repeat_for_tasks
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
    tasks = repeat_for_tasks(loop.initial(), 1)
    outputs, _ = loop.predict(tasks, loop.constants(), x[tf.newaxis], training=training)
    return outputs[0]


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


def test_two_threads_have_them_at_once_and_nothing_stays_behind():
    """The first to come leaves first, and the second still has exact moments then."""
    both_in, first_out = threading.Barrier(2), threading.Event()
    seen = []

    def first():
        with exact_moments():
            both_in.wait(10)
            seen.append(nn_impl.moments is moments)
        first_out.set()

    def second():
        with exact_moments():
            both_in.wait(10)
            first_out.wait(10)
            seen.append(nn_impl.moments is moments)

    threads = [threading.Thread(target=run) for run in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True, True]
    assert nn_impl.moments is not moments


def test_meta_gradients_of_two_threads_are_those_of_one():
    """Traced at once, each thread's second derivatives are right."""
    x, y = make_episodes(tasks=2, ways=2, dim=4)

    def meta_gradient(index):
        base = keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(4),
                keras.layers.LayerNormalization(),
                keras.layers.Dense(2),
            ]
        )
        random = np.random.default_rng(index)
        base.set_weights([random.normal(size=w.shape) for w in base.get_weights()])
        learner = MAML(base, inner_steps=2, inner_learning_rate=0.5)
        learner.compile("sgd")
        learner.train_on_batch(x, y)
        return [w.copy() for w in base.get_weights()]

    alone = [meta_gradient(index) for index in range(2)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        together = list(pool.map(meta_gradient, range(2)))
    for one, other in zip(alone, together, strict=True):
        for expected, found in zip(one, other, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
