"""Gradient descent at rates that each task brings along."""

from typing import Any

import tensorflow as tf

from maml_tf.inner_loop.update_rules.update_rule import UpdateRule


class PerTaskRates(UpdateRule):
    """Gradient descent at a rate per task and weight tensor.

    The rates are fast weights that no step changes: the second half of `weights` holds
    the logarithm of the rate of each tensor in the first half, a scalar each.

    Example:

    >>> rule, rate = PerTaskRates(), tf.math.log(0.5)
    >>> gradients = [tf.constant([2.0]), tf.zeros(())]
    >>> weights, _ = rule.update([], [tf.constant([1.0]), rate], gradients, 0)
    >>> weights[0].numpy()
    array([0.], dtype=float32)
    """

    def update(
        self, state: Any, weights: Any, gradients: Any, step: Any, loss: Any = None
    ) -> Any:
        half = len(weights) // 2
        moved = [
            w - tf.exp(rate) * g
            for w, rate, g in zip(
                weights[:half], weights[half:], gradients[:half], strict=True
            )
        ]
        return [*moved, *map(tf.identity, weights[half:])], state
