"""Batch normalisation as MAML's own code does it: always by the current batch."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="maml_tf")
class BatchStatisticsNormalization(keras.layers.Layer):
    """Normalises by the current batch's mean and variance, in training and in test.

    There are no moving averages, hence no state that an inner loop would have to
    carry. The price is that predictions depend on the other inputs of the batch
    (transductive few-shot learning, arXiv 1803.02999, section 6.1).

    Args:
        epsilon: Added to the variance.

    Call arguments:
        inputs: Tensor of shape [batch, ..., channels].

    Returns:
        Tensor of the same shape; every channel has mean `beta` and deviation `gamma`.

    Example:

    >>> import numpy as np
    >>> layer = BatchStatisticsNormalization()
    >>> layer(np.array([[1.0], [3.0]])).numpy().round(2).tolist()
    [[-1.0], [1.0]]
    """

    def __init__(self, epsilon: float = 1e-3, **kwargs: Any):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(name="gamma", shape=shape, initializer="ones")
        self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros")

    def call(self, inputs: Any) -> Any:
        axes = list(range(len(inputs.shape) - 1))
        mean, variance = keras.ops.moments(inputs, axes)
        scale = self.gamma * keras.ops.rsqrt(variance + self.epsilon)
        return (inputs - mean) * scale + self.beta

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}
