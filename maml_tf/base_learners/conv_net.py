"""The four-block conv net of the MAML paper (arXiv 1703.03400, section 5.2)."""

import functools
from collections.abc import Callable
from typing import Any

import keras

from maml_tf.base_learners.batch_statistics import BatchStatisticsNormalization
from maml_tf.base_learners.errors import BaseLearnerError
from maml_tf.base_learners.patch_convolution import (
    PatchConvolution,
    ReshapeMaxPooling,
)

CONVOLUTIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "patches": (PatchConvolution, ReshapeMaxPooling),
    "native": (
        functools.partial(keras.layers.Conv2D, kernel_size=3, padding="same"),
        keras.layers.MaxPooling2D,
    ),
}


def create_conv_net(
    num_classes: int = 5,
    *,
    image_shape: tuple[int, int, int] = (28, 28, 1),
    filters: int = 64,
    blocks: int = 4,
    batch_statistics: bool = True,
    downsample: str = "stride",
    convolution: str = "patches",
    seed: int | None = None,
) -> keras.Model:
    """Makes a conv net for small images.

    Each block is a 3x3 convolution, a normalisation and a ReLU. MAML's net for
    Omniglot halves the image by convolutions of stride 2 and averages what is left
    over the positions; its net for MiniImagenet, and those of matching and
    prototypical networks, have 2x2 max-pooling after the ReLU and flatten.

    Args:
        num_classes: The number of logits.
        image_shape: Height, width and channels.
        filters: Channels of every block.
        blocks: The number of blocks.
        batch_statistics: True normalises by the current batch, in training and in
            test, as MAML's code does. False is `keras.layers.BatchNormalization`
            with its moving averages.
        downsample: "stride" or "max_pool", as above.
        convolution: "patches" or "native": the same numbers, and the same weights.
            Patches vectorise over tasks whose filters differ, which suits an
            accelerator. Keras' own layers do not and need
            `MAML(..., vectorized=False)`; on a CPU that is the faster way.
        seed: Makes the weights reproducible.

    Returns:
        A built functional model from [batch, *`image_shape`] to logits of shape
        [batch, `num_classes`]; the last layer is named "head".

    Raises:
        BaseLearnerError: An unknown `downsample` or `convolution`, a size less than 1,
            or more blocks of max-pooling than the image can be halved.

    Example:

    >>> model = create_conv_net(3, image_shape=(8, 8, 1), filters=4, blocks=2)
    >>> model.output_shape
    (None, 3)
    """
    if downsample not in ("stride", "max_pool"):
        raise BaseLearnerError(
            f"downsample is 'stride' or 'max_pool' and not {downsample!r}."
        )
    if convolution not in CONVOLUTIONS:
        raise BaseLearnerError(
            f"convolution is 'patches' or 'native' and not {convolution!r}."
        )
    if min(num_classes, *image_shape, filters, blocks) < 1:
        raise BaseLearnerError(
            f"num_classes={num_classes}, image_shape={tuple(image_shape)}, filters="
            f"{filters} and blocks={blocks} have to be at least 1."
        )
    if downsample == "max_pool" and min(image_shape[:2]) < 2**blocks:
        raise BaseLearnerError(
            f"An image of {image_shape[0]}x{image_shape[1]} cannot be halved "
            f"{blocks} times by max-pooling."
        )

    def initializer(index: int) -> keras.initializers.Initializer:
        # Glorot's bounds over fan-in 9 * channels, as Keras has for Conv2D.
        layer_seed = None if seed is None else seed + index
        return keras.initializers.GlorotUniform(seed=layer_seed)

    convolve, pool = CONVOLUTIONS[convolution]
    inputs = keras.Input(tuple(image_shape), name="inputs")
    outputs = inputs
    for index in range(blocks):
        outputs = convolve(
            filters,
            strides=2 if downsample == "stride" else 1,
            kernel_initializer=initializer(index),
            name=f"convolution_{index}",
        )(outputs)
        normalization = (
            BatchStatisticsNormalization
            if batch_statistics
            else keras.layers.BatchNormalization
        )
        outputs = normalization(name=f"normalization_{index}")(outputs)
        outputs = keras.layers.ReLU(name=f"activation_{index}")(outputs)
        if downsample == "max_pool":
            outputs = pool(name=f"pooling_{index}")(outputs)
    if downsample == "stride":
        outputs = keras.layers.GlobalAveragePooling2D(name="features")(outputs)
    else:
        outputs = keras.layers.Flatten(name="features")(outputs)
    outputs = keras.layers.Dense(
        num_classes,
        kernel_initializer=initializer(blocks),
        # Logits and their losses want all digits, in mixed precision too.
        dtype=keras.config.dtype_policy().variable_dtype,
        name="head",
    )(outputs)
    return keras.Model(inputs, outputs, name="conv_net")
