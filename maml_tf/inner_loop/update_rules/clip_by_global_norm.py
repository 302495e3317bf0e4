"""Clipping of the inner gradients."""

from typing import Any

import keras
import tensorflow as tf

from maml_tf.arguments import positive
from maml_tf.inner_loop.update_rules.update_rule import UpdateRule
from maml_tf.inner_loop.update_rules.wrapper import WrappedRule


@keras.saving.register_keras_serializable(package="maml_tf")
class ClipByGlobalNorm(WrappedRule):
    """Scales a task's inner gradients down to a joint norm, then applies a rule.

    Args:
        rule: the update rule that receives the clipped gradients.
        norm: the largest joint Euclidean norm, a positive number.

    Example:

    >>> from maml_tf.inner_loop import GradientDescent
    >>> rule = ClipByGlobalNorm(GradientDescent(1.0), norm=1.0)
    >>> weights, _ = rule.update([], [tf.zeros(2)], [tf.constant([3.0, 4.0])], 0)
    >>> weights[0].numpy().round(2)
    array([-0.6, -0.8], dtype=float32)
    """

    def __init__(self, rule: UpdateRule, norm: float, **kwargs: Any) -> None:
        super().__init__(rule, **kwargs)
        self.norm = positive("norm", norm)

    def update(
        self, state: Any, weights: Any, gradients: Any, step: Any, loss: Any = None
    ) -> Any:
        squares = sum(tf.reduce_sum(tf.square(g)) for g in gradients)
        # max(norm, clip) needs no division by zero and has a finite second derivative.
        scale = tf.math.rsqrt(tf.maximum(squares / self.norm**2, 1))
        clipped = [g * scale for g in gradients]
        return self.rule.update(state, weights, clipped, step, loss=loss)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "norm": self.norm}
