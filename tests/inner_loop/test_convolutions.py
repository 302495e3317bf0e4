"""Convolutions with filters of each task's own, to third order, in float64.

The mapped form is compared with the same function run task after task, where
TensorFlow's own kernels convolve.
"""

import numpy as np
import pytest
import tensorflow as tf

from maml_tf.inner_loop import over_tasks
from maml_tf.inner_loop.convolution_converters import make_window


def conv2d(strides, padding, dilations=1):
    return lambda x, f: tf.nn.conv2d(x, f, strides, padding, dilations=dilations)


def depthwise(strides, padding):
    return lambda x, f: tf.nn.depthwise_conv2d(x, f, [1, *strides, 1], padding)


CASES = {
    "same": (conv2d(1, "SAME"), (2, 7, 6, 3), (3, 2, 3, 4)),
    "strided same": (conv2d(2, "SAME"), (2, 7, 6, 3), (3, 2, 3, 4)),
    "strided valid": (conv2d(2, "VALID"), (2, 7, 6, 3), (3, 2, 3, 4)),
    "explicit": (
        conv2d(1, [[0, 0], [1, 2], [0, 1], [0, 0]]),
        (2, 5, 5, 2),
        (3, 3, 2, 2),
    ),
    "one axis": (lambda x, f: tf.nn.conv1d(x, f, 1, "SAME"), (2, 7, 3), (3, 3, 4)),
    "three axes": (
        lambda x, f: tf.nn.conv3d(x, f, [1] * 5, "SAME"),
        (1, 3, 4, 3, 2),
        (2, 3, 2, 2, 2),
    ),
    "depthwise": (depthwise((1, 1), "SAME"), (2, 5, 5, 3), (3, 3, 3, 2)),
    "strided depthwise": (depthwise((2, 2), "VALID"), (2, 6, 6, 3), (3, 3, 3, 1)),
    "transposed": (
        lambda x, f: tf.nn.conv2d_transpose(x, f, (2, 8, 8, 2), 2),
        (2, 4, 4, 3),
        (3, 3, 2, 3),
    ),
}


def through_third_order(operation, inputs, filters, *, vectorized, xla=False):
    """Values, gradients, second derivatives, and an outer gradient of all of them."""

    def task(element):
        with tf.GradientTape(persistent=True) as outer:
            outer.watch(element)
            with tf.GradientTape() as inner:
                inner.watch(element)
                value = tf.reduce_sum(tf.sin(operation(*element)))
            first = inner.gradient(value, element)
            mixed = tf.reduce_sum(tf.sin(first[0])) + tf.reduce_sum(tf.cos(first[1]))
        return [value, *first, *outer.gradient(mixed, element)]

    @tf.function(jit_compile=xla, autograph=False)
    def run(inputs, filters):
        with tf.GradientTape() as tape:
            tape.watch([inputs, filters])
            found = over_tasks(task, [inputs, filters], vectorized=vectorized)
            total = tf.add_n([tf.reduce_sum(tf.sin(t)) for t in found])
        return found + tape.gradient(total, [inputs, filters])

    return [t.numpy() for t in run(inputs, filters)]


def assert_the_same(operation, shapes, **options):
    random = np.random.default_rng(0)
    inputs, filters = (tf.constant(random.normal(size=(3, *s))) for s in shapes)
    expected = through_third_order(operation, inputs, filters, vectorized=False)
    found = through_third_order(operation, inputs, filters, vectorized=True, **options)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            one, other, rtol=1e-10, atol=1e-11 * np.abs(other).max()
        )


@pytest.mark.filterwarnings("error::maml_tf.inner_loop.one_by_one.TasksOneByOne")
@pytest.mark.parametrize("name", CASES)
def test_filters_of_each_tasks_own(name):
    operation, *shapes = CASES[name]
    assert_the_same(operation, shapes)


@pytest.mark.filterwarnings("error::maml_tf.inner_loop.one_by_one.TasksOneByOne")
def test_under_xla():
    operation, *shapes = CASES["strided same"]
    assert_the_same(operation, shapes, xla=True)


def test_channels_first_are_channels_last_turned():
    """TensorFlow's own kernels take them on a GPU alone; the mapped form anywhere."""
    random = np.random.default_rng(0)
    inputs = tf.constant(random.normal(size=(3, 2, 7, 6, 4)))
    filters = tf.constant(random.normal(size=(3, 3, 2, 4, 5)))

    def mapped(inputs, layout):
        def task(element):
            return [tf.nn.conv2d(*element, 2, "SAME", data_format=layout)]

        run = tf.function(lambda *given: over_tasks(task, list(given)), autograph=False)
        return run(inputs, filters)[0]

    first = mapped(tf.transpose(inputs, [0, 1, 4, 2, 3]), "NCHW")
    assert first.shape == (3, 2, 5, 4, 3)
    last = mapped(inputs, "NHWC")
    np.testing.assert_allclose(tf.transpose(first, [0, 1, 3, 4, 2]), last, rtol=1e-12)


def test_a_window_as_tensorflow_places_it():
    window = make_window(
        [7, 6], [3, 2], strides=[2, 2], dilations=[1, 1], padding="SAME"
    )
    shape = tf.nn.conv2d(tf.zeros((1, 7, 6, 1)), tf.zeros((3, 2, 1, 1)), 2, "SAME")
    assert window.outputs == tuple(shape.shape[1:3])
    assert window.pads == ((1, 1), (0, 0))


def test_a_window_wants_known_sizes():
    with pytest.raises(ValueError, match="known spatial sizes"):
        make_window([None], [3], strides=[1], dilations=[1], padding="SAME")
