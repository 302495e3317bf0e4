"""Adam as an update rule."""

from typing import Any

import keras
import tensorflow as tf

from maml_tf.arguments import fraction, positive
from maml_tf.inner_loop.update_rules.update_rule import UpdateRule


@keras.saving.register_keras_serializable(package="maml_tf")
class Adam(UpdateRule):
    """Adam (Kingma & Ba 2015, arXiv 1412.6980) with epsilon inside the square root.

    At a second moment of zero the derivative of the square root is infinite, and the
    usual `sqrt(v) + epsilon` gives NaN meta-gradients; `sqrt(v + epsilon ** 2)` does
    not.
    `beta_1=0` is the inner optimizer of Reptile (Nichol et al. 2018, arXiv 1803.02999).

    Args:
        learning_rate: the inner step size, a positive number.
        beta_1: decay of the mean of gradients, in [0, 1).
        beta_2: decay of the mean of their squares, in [0, 1).
        epsilon: the floor of the root, a positive number.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> rule = Adam(0.1)
    >>> weights = [tf.constant([1.0])]
    >>> weights, _ = rule.update(rule.init(weights), weights, [tf.constant([3.0])], 0)
    >>> weights[0].numpy().round(3)
    array([0.9], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.learning_rate = positive("learning_rate", learning_rate)
        self.beta_1 = fraction("beta_1", beta_1)
        self.beta_2 = fraction("beta_2", beta_2)
        self.epsilon = positive("epsilon", epsilon)

    def init(self, weights: Any) -> Any:
        return [tf.zeros_like(w) for w in weights], [tf.zeros_like(w) for w in weights]

    def update(
        self, state: Any, weights: Any, gradients: Any, step: Any, loss: Any = None
    ) -> Any:
        first, second = state
        first = [
            self.beta_1 * m + (1 - self.beta_1) * g
            for m, g in zip(first, gradients, strict=True)
        ]
        second = [
            self.beta_2 * v + (1 - self.beta_2) * tf.square(g)
            for v, g in zip(second, gradients, strict=True)
        ]
        new = [
            w
            - self.learning_rate
            * (m * _correction(self.beta_1, step, w.dtype))
            * tf.math.rsqrt(
                v * _correction(self.beta_2, step, w.dtype) + self.epsilon**2
            )
            for w, m, v in zip(weights, first, second, strict=True)
        ]
        return new, (first, second)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "learning_rate": self.learning_rate,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }


def _correction(beta: float, step: tf.Tensor | int, dtype: tf.DType) -> tf.Tensor:
    """`1 / (1 - beta ** (step + 1))`; in bfloat16 0.999 would round to 1."""
    power = tf.pow(tf.constant(beta, tf.float64), tf.cast(step, tf.float64) + 1)
    return tf.cast(1 / (1 - power), dtype)
