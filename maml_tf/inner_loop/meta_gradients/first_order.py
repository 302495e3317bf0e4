"""The first-order meta-gradient: second derivatives of the inner loss are dropped."""

import keras
import tensorflow as tf

from maml_tf.inner_loop.meta_gradients.meta_gradient import (
    vector_jacobian_product,
    watched,
)
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
        return step

    def step_back(self, recursion, kept, step, weight_gradients, state_gradients):
        problem = recursion.problem

        def task(element):
            with tf.GradientTape() as tape:
                read = {
                    "fast": watched(tape, element["fast"]),
                    "state": watched(tape, element["state"]),
                    "inputs": watched(tape, element["inputs"]),
                    "shared": watched(tape, recursion.shared),
                }
                before = Step(
                    read["fast"], read["state"], element["gradients"], element["loss"]
                )
                after = problem.update(before, read["shared"], step)
            return vector_jacobian_product(tape, after, element["upstream"], read)

        elements = {
            **recursion.fixed,
            "fast": kept.weights,
            "state": kept.state,
            "gradients": kept.gradients,
            "loss": kept.loss,
            "upstream": [*weight_gradients, *state_gradients],
        }
        return problem.map(task, elements)
