"""The exact meta-gradient by recursion: memory and tracing do not grow with steps."""

import keras
import tensorflow as tf

from maml_tf.inner_loop.meta_gradients.meta_gradient import (
    vector_jacobian_product,
    watched,
)
from maml_tf.inner_loop.meta_gradients.recursive import Recursive


@keras.saving.register_keras_serializable(package="maml_tf")
class ExactRecursive(Recursive):
    """A loop forward that keeps the fast weights, a loop back that redoes each step.

    One step's activations are alive at a time, and the base learner is traced once in
    each direction however many steps there are. The way back takes one product with
    the Jacobian of a step, reverse over reverse, which is a Hessian-vector product; the
    memory for K steps is K copies of the fast weights and the rule's state (compare
    Kemaev et al. 2025, arXiv 2505.00793).

    Args:
        checkpoint: see `Recursive`.

    Example:

    >>> from maml_tf import MAML
    >>> base = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    >>> maml = MAML(base, inner_steps=50, meta_gradient=ExactRecursive(checkpoint=True))
    """

    def record(self, step):
        return step.weights, step.state

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
                support = {**element, "inputs": read["inputs"]}
                new, state, _ = problem.step(
                    read["fast"], read["state"], read["shared"], support, step
                )
            return vector_jacobian_product(
                tape, (new, state), element["upstream"], read
            )

        weights, state = kept
        elements = {
            **problem.elements,
            **recursion.fixed,
            "fast": weights,
            "state": state,
            "upstream": [*weight_gradients, *state_gradients],
        }
        return problem.map(task, elements)
