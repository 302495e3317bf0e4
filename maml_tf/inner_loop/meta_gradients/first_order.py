"""The first-order meta-gradient: second derivatives of the inner loss are dropped."""

import keras

from maml_tf.inner_loop.meta_gradients.recursive import Recursive
from maml_tf.inner_loop.problem import Step


@keras.saving.register_keras_serializable(package="maml_tf")
class FirstOrder(Recursive):
    """Inner gradients count as constants (Finn et al. 2017, arXiv 1703.03400, 5.2).

    What an update rule does with them is still differentiated, so that learned rates
    learn and decay decays: with gradient descent the initial weights get the gradient
    at the adapted weights. The way back evaluates no model.

    Args:
        checkpoint: see `Recursive`.
    """

    def record(self, step):
        return {**super().record(step), "gradients": step.gradients, "loss": step.loss}

    def redo(self, problem, kept, read, step):
        before = Step(read["fast"], read["state"], kept["gradients"], kept["loss"])
        return problem.update(before, read["shared"], step)
