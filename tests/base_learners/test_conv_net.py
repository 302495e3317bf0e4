"""The conv net and its layers, against Keras's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from base_learner_checks import assert_vectorises, saved_and_loaded

from maml_tf.base_learners import (
    BaseLearnerError,
    BatchStatisticsNormalization,
    PatchConvolution,
    ReshapeMaxPooling,
    create_conv_net,
    head_of,
)


def images(*shape):
    return tf.constant(np.random.default_rng(0).normal(size=shape).astype("float32"))


@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("size", [(7, 8), (5, 5), (1, 2)])
def test_patch_convolution_equals_conv2d(strides, size):
    inputs = images(2, *size, 3)
    ours = PatchConvolution(4, strides=strides)
    theirs = keras.layers.Conv2D(4, 3, strides=strides, padding="same")
    ours(inputs), theirs(inputs)
    ours.bias.assign([1.0, 2.0, 3.0, 4.0])
    theirs.set_weights(ours.get_weights())
    np.testing.assert_allclose(ours(inputs), theirs(inputs), atol=1e-5)
    assert ours.compute_output_shape(inputs.shape) == tuple(ours(inputs).shape)


def test_patch_convolution_has_the_gradients_of_conv2d():
    inputs = images(2, 5, 6, 3)
    ours = PatchConvolution(4, strides=2)
    theirs = keras.layers.Conv2D(4, 3, strides=2, padding="same")
    ours(inputs), theirs(inputs)
    theirs.set_weights(ours.get_weights())
    results = []
    for layer in (ours, theirs):
        with tf.GradientTape() as outer:
            outer.watch(inputs)
            with tf.GradientTape() as inner:
                loss = tf.reduce_sum(tf.tanh(layer(inputs)))
            gradient = inner.gradient(loss, layer.kernel.value)
            size = tf.reduce_sum(gradient**2)
        results.append((gradient, outer.gradient(size, inputs)))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(4, 6), (5, 7)])
def test_reshape_max_pooling_equals_max_pooling(size):
    inputs = images(2, *size, 3)
    expected = keras.layers.MaxPooling2D(2)(inputs)
    np.testing.assert_array_equal(ReshapeMaxPooling()(inputs), expected)


def test_batch_statistics_equal_batch_normalization_in_training():
    inputs = images(4, 3, 3, 2) * 5 + 1
    ours = BatchStatisticsNormalization()
    expected = keras.layers.BatchNormalization()(inputs, training=True)
    np.testing.assert_allclose(ours(inputs, training=True), expected, atol=1e-5)
    np.testing.assert_array_equal(ours(inputs), ours(inputs, training=True))


def test_the_nets_of_the_paper():
    omniglot = create_conv_net()
    assert omniglot.get_layer("convolution_3").output.shape == (None, 2, 2, 64)
    assert omniglot.get_layer("features").output.shape == (None, 64)
    imagenet = create_conv_net(
        image_shape=(84, 84, 3), filters=32, downsample="max_pool"
    )
    assert imagenet.get_layer("features").output.shape == (None, 5 * 5 * 32)
    assert head_of(omniglot).name == head_of(imagenet).name == "head"


@pytest.mark.parametrize("batch_statistics", [True, False])
@pytest.mark.parametrize("downsample", ["stride", "max_pool"])
def test_saved_and_loaded_is_the_same(tmp_path, downsample, batch_statistics):
    model = create_conv_net(
        3,
        image_shape=(8, 8, 1),
        filters=4,
        blocks=2,
        downsample=downsample,
        batch_statistics=batch_statistics,
    )
    inputs = images(5, 8, 8, 1)
    loaded = saved_and_loaded(model, tmp_path)
    np.testing.assert_array_equal(loaded(inputs), model(inputs))


@pytest.mark.parametrize("downsample", ["stride", "max_pool"])
def test_patches_and_native_convolutions_are_one_net(downsample):
    sizes = {"image_shape": (9, 9, 1), "filters": 4, "blocks": 2, "seed": 3}
    one, other = (
        create_conv_net(downsample=downsample, convolution=name, **sizes)
        for name in ("patches", "native")
    )
    assert [v.path for v in one.weights] == [v.path for v in other.weights]
    inputs = images(5, 9, 9, 1)
    np.testing.assert_allclose(one(inputs), other(inputs), rtol=1e-4, atol=1e-5)


def test_the_same_seed_gives_the_same_weights():
    one, other = (create_conv_net(filters=4, seed=3) for _ in range(2))
    for left, right in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("batch_statistics", [True, False])
@pytest.mark.parametrize("downsample", ["stride", "max_pool"])
def test_differentiates_twice_with_other_filters_for_every_task(
    downsample, batch_statistics
):
    model = create_conv_net(
        3,
        image_shape=(9, 9, 1),
        filters=4,
        blocks=2,
        downsample=downsample,
        batch_statistics=batch_statistics,
        seed=0,
    )
    # Keras's batch normalisation is checked by its moving averages: in training it
    # assigns them, which is the learner's business to catch or drop.
    assert_vectorises(
        model,
        images(2, 4, 9, 9, 1),
        training=batch_statistics,
        xla=downsample == "stride" and batch_statistics,
    )


@pytest.mark.parametrize(
    "options",
    [
        {"downsample": "average"},
        {"convolution": "fast"},
        {"blocks": 0},
        {"num_classes": 0},
        {"downsample": "max_pool", "image_shape": (15, 15, 1)},
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(BaseLearnerError):
        create_conv_net(**options)
    with pytest.raises(BaseLearnerError):
        PatchConvolution(4, strides=0)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("mixed_bfloat16", "float32"), ("float64", "float64"), ("bfloat16", "bfloat16")],
)
def test_predictions_have_the_precision_of_the_weights(policy, expected):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = create_conv_net(3, image_shape=(8, 8, 1), filters=4, blocks=2)
    finally:
        keras.config.set_dtype_policy(before)
    assert model.output.dtype == expected
    assert model.layers[1].compute_dtype == policy.removeprefix("mixed_")
