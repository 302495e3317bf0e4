"""Weight decay in the inner loop."""

from typing import Any

import keras

from maml_tf.arguments import fraction
from maml_tf.inner_loop.update_rules.update_rule import UpdateRule
from maml_tf.inner_loop.update_rules.wrapper import WrappedRule


@keras.saving.register_keras_serializable(package="maml_tf")
class WeightDecay(WrappedRule):
    """Takes a share off the weights at every step, besides what a rule does.

    The decay is decoupled from the gradients (Loshchilov & Hutter 2019, arXiv
    1711.05101), so it means the same around Adam as around gradient descent.

    Args:
        rule: the update rule that receives the gradients unchanged.
        decay: the share of a weight lost in one step, in [0, 1).

    Example:

    >>> import tensorflow as tf
    >>> from maml_tf.inner_loop import GradientDescent
    >>> rule = WeightDecay(GradientDescent(1.0), decay=0.25)
    >>> weights, _ = rule.update([], [tf.constant([4.0])], [tf.constant([1.0])], 0)
    >>> weights[0].numpy()
    array([2.], dtype=float32)
    """

    def __init__(self, rule: UpdateRule, decay: float, **kwargs: Any) -> None:
        super().__init__(rule, **kwargs)
        self.decay = fraction("decay", decay)

    def update(
        self, state: Any, weights: Any, gradients: Any, step: Any, loss: Any = None
    ) -> Any:
        new, state = self.rule.update(state, weights, gradients, step, loss=loss)
        shrunk = [n - self.decay * w for n, w in zip(new, weights, strict=True)]
        return shrunk, state

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "decay": self.decay}
