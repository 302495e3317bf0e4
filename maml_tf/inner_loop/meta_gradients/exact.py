"""The exact meta-gradient, by the way that is faster for the number of steps."""

from typing import Any

import keras

from maml_tf.inner_loop.meta_gradients.exact_recursive import ExactRecursive
from maml_tf.inner_loop.meta_gradients.exact_unrolled import ExactUnrolled
from maml_tf.inner_loop.meta_gradients.meta_gradient import MetaGradient


@keras.saving.register_keras_serializable(package="maml_tf")
class Exact(MetaGradient):
    """Unrolled for few steps of few weights, else recursive; the numbers are the same.

    Few unrolled steps run faster, for nothing is evaluated twice. More of them, or
    deep models, take memory and start-up that grow with every step: five steps on the
    six layers of a MiniLM take minutes to trace (docs/meta_gradients.md).

    Args:
        unrolled_steps: at most so many steps are unrolled.
        unrolled_tensors: the same for the fast tensors of all steps together, which
            stand for the size of what is traced. One step is unrolled always.

    Example:

    >>> Exact(unrolled_steps=2)
    Exact(unrolled_steps=2, unrolled_tensors=200)
    """

    def __init__(self, unrolled_steps: int = 5, unrolled_tensors: int = 200) -> None:
        self.unrolled_steps = unrolled_steps
        self.unrolled_tensors = unrolled_tensors

    def run(self, problem: Any, stacked: dict[str, Any], shared: Any) -> Any:
        tensors = problem.steps * len(stacked["fast"])
        few = problem.steps <= 1 or (
            problem.steps <= self.unrolled_steps and tensors <= self.unrolled_tensors
        )
        way = ExactUnrolled() if few else ExactRecursive()
        return way.run(problem, stacked, shared)
