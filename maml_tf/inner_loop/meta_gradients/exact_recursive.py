"""The exact meta-gradient by recursion: memory and tracing do not grow with steps."""

from typing import Any

import keras

from maml_tf.inner_loop.meta_gradients.by_recursion import ByRecursion


@keras.saving.register_keras_serializable(package="maml_tf")
class ExactRecursive(ByRecursion):
    """A loop forward that keeps the fast weights, a loop back that redoes each step.

    One step's activations are alive at a time, and the base learner is traced once in
    each direction however many steps there are. The way back takes one product with
    the Jacobian of a step, reverse over reverse, which is a Hessian-vector product; the
    memory for K steps is K copies of the fast weights and the rule's state (compare
    Kemaev et al. 2025, arXiv 2505.00793).

    Args:
        checkpoint: see `ByRecursion`.

    Example:

    >>> from maml_tf import MAML
    >>> base = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    >>> maml = MAML(base, inner_steps=50, meta_gradient=ExactRecursive(checkpoint=True))
    """

    def redo(
        self, problem: Any, kept: dict[str, Any], read: dict[str, Any], step: Any
    ) -> Any:
        support = {**kept, "inputs": read["inputs"]}
        weights, state, _ = problem.step(
            read["fast"], read["state"], read["shared"], support, step
        )
        return weights, state
