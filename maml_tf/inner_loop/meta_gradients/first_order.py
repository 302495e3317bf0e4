"""The first-order meta-gradient: second derivatives of the inner loss are dropped."""

from typing import Any

import keras

from maml_tf.inner_loop.meta_gradients.by_recursion import ByRecursion
from maml_tf.inner_loop.problem import Step


@keras.saving.register_keras_serializable(package="maml_tf")
class FirstOrder(ByRecursion):
    """Inner gradients count as constants (Finn et al. 2017, arXiv 1703.03400, 5.2).

    What an update rule does with them is still differentiated, so that learned rates
    learn and decay decays: with gradient descent the initial weights get the gradient
    at the adapted weights. The way back evaluates no model.

    Args:
        checkpoint: see `ByRecursion`.
    """

    def record(self, step: Any) -> dict[str, Any]:
        return {**super().record(step), "gradients": step.gradients, "loss": step.loss}

    def redo(
        self, problem: Any, kept: dict[str, Any], read: dict[str, Any], step: Any
    ) -> Any:
        before = Step(read["fast"], read["state"], kept["gradients"], kept["loss"])
        return problem.update(before, read["shared"], step)
