"""Gradient descent, the update rule of the MAML paper."""

from typing import Any

import keras

from maml_tf.arguments import positive
from maml_tf.inner_loop.update_rules.update_rule import (
    UpdateRule,
    in_precision_of,
    start_at,
)


@keras.saving.register_keras_serializable(package="maml_tf")
class GradientDescent(UpdateRule):
    """`weights - learning_rate * gradients` (Finn et al. 2017, arXiv 1703.03400).

    Args:
        learning_rate: the inner step size, a positive number.
        learned: make the step size a meta-learned variable per weight tensor.

    Raises:
        ValueError: if the learning rate is not a positive finite number.

    Example:

    >>> import tensorflow as tf
    >>> rule = GradientDescent(0.5)
    >>> weights, _ = rule.update([], [tf.constant([1.0])], [tf.constant([2.0])], 0)
    >>> weights[0].numpy()
    array([0.], dtype=float32)
    """

    def __init__(
        self, learning_rate: float = 0.01, *, learned: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.learning_rate = positive("learning_rate", learning_rate)
        self.learned = learned
        self.rates: list[keras.Variable] = []

    def build_for(self, fast_variables: list[keras.Variable]) -> None:
        if self.learned and not self.built:
            self.rates = [
                self.add_weight(
                    shape=(),
                    initializer=start_at(self.learning_rate),
                    name=f"rate_{index}",
                )
                for index in range(len(fast_variables))
            ]
        self.built = True

    def learned_rates(self) -> Any:
        return self.rates

    def update(
        self, state: Any, weights: Any, gradients: Any, step: Any, loss: Any = None
    ) -> Any:
        rates = self.rates or [self.learning_rate] * len(weights)
        new = [
            w - in_precision_of(w, rate) * g
            for w, g, rate in zip(weights, gradients, rates, strict=True)
        ]
        return new, state

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "learning_rate": self.learning_rate,
            "learned": self.learned,
        }
