"""Gradient descent with momentum."""

from typing import Any

import keras
import tensorflow as tf

from maml_tf.arguments import fraction, positive
from maml_tf.inner_loop.update_rules.update_rule import UpdateRule


@keras.saving.register_keras_serializable(package="maml_tf")
class Momentum(UpdateRule):
    """Heavy-ball momentum: the velocity is `momentum * velocity + gradients`.

    Args:
        learning_rate: the factor on the velocity, a positive number.
        momentum: the share of the velocity that a step keeps, in [0, 1).

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> rule, weights = Momentum(0.5, momentum=0.5), [tf.constant([1.0])]
    >>> state = rule.init(weights)
    >>> for step in range(2):
    ...     weights, state = rule.update(state, weights, [tf.constant([1.0])], step)
    >>> weights[0].numpy()
    array([-0.25], dtype=float32)
    """

    def __init__(
        self, learning_rate: float = 0.01, momentum: float = 0.9, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.learning_rate = positive("learning_rate", learning_rate)
        self.momentum = fraction("momentum", momentum)

    def init(self, weights: Any) -> Any:
        return [tf.zeros_like(w) for w in weights]

    def update(
        self, state: Any, weights: Any, gradients: Any, step: Any, loss: Any = None
    ) -> Any:
        velocity = [
            self.momentum * v + g for v, g in zip(state, gradients, strict=True)
        ]
        new = [
            w - self.learning_rate * v for w, v in zip(weights, velocity, strict=True)
        ]
        return new, velocity

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "learning_rate": self.learning_rate,
            "momentum": self.momentum,
        }
