"""The exact meta-gradient, by the way that is faster for the number of steps."""

import keras

from maml_tf.inner_loop.meta_gradients.exact_recursive import ExactRecursive
from maml_tf.inner_loop.meta_gradients.exact_unrolled import ExactUnrolled
from maml_tf.inner_loop.meta_gradients.meta_gradient import MetaGradient


@keras.saving.register_keras_serializable(package="maml_tf")
class Exact(MetaGradient):
    """Unrolled for few steps, recursive for more; both give the same numbers.

    Few unrolled steps run faster, for nothing is evaluated twice. More of them take
    memory and start-up that grow with every step (docs/meta_gradients.md has both
    measured).

    Args:
        unrolled_steps: up to so many steps are unrolled.

    Example:

    >>> Exact(unrolled_steps=2)
    Exact(unrolled_steps=2)
    """

    def __init__(self, unrolled_steps: int = 5) -> None:
        self.unrolled_steps = unrolled_steps

    def run(self, problem, stacked, shared):
        few = problem.steps <= self.unrolled_steps
        way = ExactUnrolled() if few else ExactRecursive()
        return way.run(problem, stacked, shared)
