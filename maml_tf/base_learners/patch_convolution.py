"""Convolution and pooling that vectorise over tasks with different filters.

`tf.vectorized_map` has no converter for a convolution whose filters differ from task
to task. Written as patches times a matrix, it becomes a batched matrix product, which
has one, as have its first and second gradients. Nine shifted strided slices, joined
and multiplied once, measured best overall on two cores among the ways to make the
patches that convert (nine products summed; three slices joined twice; three products
of rows).
"""

from typing import Any

import keras

from maml_tf.base_learners.errors import BaseLearnerError

_SIZE = 3


@keras.saving.register_keras_serializable(package="maml_tf")
class PatchConvolution(keras.layers.Layer):
    """A 3x3 convolution with "same" padding, as patches times a matrix.

    The weights have the shapes of `keras.layers.Conv2D` and give the same outputs.

    Args:
        filters: The number of output channels.
        strides: The step between patches, the same in both directions.
        kernel_initializer: Any Keras initializer.
        bias_initializer: Any Keras initializer.

    Call arguments:
        inputs: Tensor of shape [batch, height, width, channels]; all but the batch
            have to be known when the layer is called.

    Returns:
        Tensor of shape [batch, ceil(height / strides), ceil(width / strides),
        `filters`].

    Raises:
        BaseLearnerError: `filters` or `strides` is less than 1.

    Example:

    >>> import numpy as np
    >>> PatchConvolution(4, strides=2)(np.zeros([1, 5, 6, 2], "float32")).shape
    TensorShape([1, 3, 3, 4])
    """

    def __init__(
        self,
        filters: int,
        strides: int = 1,
        *,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if filters < 1 or strides < 1:
            raise BaseLearnerError(
                "filters and strides have to be at least 1 and are "
                f"{filters} and {strides}."
            )
        self.filters = filters
        self.strides = strides
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=(_SIZE, _SIZE, input_shape[-1], self.filters),
            initializer=self.kernel_initializer,
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.filters,), initializer=self.bias_initializer
        )

    def call(self, inputs: Any) -> Any:
        height, width, channels = inputs.shape[1:]
        rows, columns = self._output_size(height), self._output_size(width)
        padded = keras.ops.pad(
            inputs,
            [(0, 0), self._padding(height), self._padding(width), (0, 0)],
        )
        row_span = (rows - 1) * self.strides + 1
        column_span = (columns - 1) * self.strides + 1
        patches = keras.ops.concatenate(
            [
                padded[
                    :,
                    row : row + row_span : self.strides,
                    column : column + column_span : self.strides,
                ]
                for row in range(_SIZE)
                for column in range(_SIZE)
            ],
            axis=-1,
        )
        depth = _SIZE * _SIZE * channels
        outputs = keras.ops.matmul(
            keras.ops.reshape(patches, (-1, depth)),
            keras.ops.reshape(self.kernel, (depth, self.filters)),
        )
        outputs = keras.ops.reshape(outputs, (-1, rows, columns, self.filters))
        return outputs + self.bias

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        batch, height, width, _ = input_shape
        return (
            batch,
            self._output_size(height),
            self._output_size(width),
            self.filters,
        )

    def _output_size(self, size: int) -> int:
        return -(-size // self.strides)

    def _padding(self, size: int) -> tuple[int, int]:
        # As TensorFlow pads for "same": the odd row or column goes to the end.
        needed = (self._output_size(size) - 1) * self.strides + _SIZE - size
        needed = max(needed, 0)
        return needed // 2, needed - needed // 2

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "strides": self.strides,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }


@keras.saving.register_keras_serializable(package="maml_tf")
class ReshapeMaxPooling(keras.layers.Layer):
    """Max-pooling over 2x2 blocks, as a reshape and a maximum.

    An odd last row or column is dropped, as "valid" padding does. Where a block has
    several equal maxima they share the gradient; `keras.layers.MaxPooling2D` gives it
    all to the first.

    Call arguments:
        inputs: Tensor of shape [batch, height, width, channels].

    Returns:
        Tensor of shape [batch, height // 2, width // 2, channels].

    Example:

    >>> import numpy as np
    >>> ReshapeMaxPooling()(np.zeros([1, 5, 6, 2], "float32")).shape
    TensorShape([1, 2, 3, 2])
    """

    def call(self, inputs: Any) -> Any:
        rows, columns = inputs.shape[1] // 2, inputs.shape[2] // 2
        blocks = keras.ops.reshape(
            inputs[:, : 2 * rows, : 2 * columns],
            (-1, rows, 2, columns, 2, inputs.shape[3]),
        )
        return keras.ops.max(blocks, axis=(2, 4))

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        batch, height, width, channels = input_shape
        return batch, height // 2, width // 2, channels
