"""The implicit meta-gradient: from where the inner loop ends, whatever its path."""

from typing import Any

import keras
import tensorflow as tf

from maml_tf.arguments import positive, whole
from maml_tf.inner_loop.functional_model import Tensors
from maml_tf.inner_loop.meta_gradients.meta_gradient import MetaGradient
from maml_tf.inner_loop.meta_gradients.step_loops import ONE_AT_A_TIME, StepLoops
from maml_tf.inner_loop.sums import sums_in_pairs
from maml_tf.inner_loop.tape import gradients_like, vector_jacobian_product, watched
from maml_tf.inner_loop.task_gradients import mask_tasks, sum_over_tasks


@keras.saving.register_keras_serializable(package="maml_tf")
class Implicit(MetaGradient):
    """Implicit MAML (Rajeswaran et al. 2019, arXiv 1909.04630).

    The inner loss gets a proximal term, `proximal / 2` times the squared distance to
    the initial weights. At its minimum the meta-gradient follows from the implicit
    function theorem: `(I + H / proximal) ** -1` times the query gradient, with H the
    Hessian of the support loss at the adapted weights, solved by conjugate gradient.
    No step is kept, so memory does not grow with steps; the result is exact where the
    steps reach the minimum. Rates of the update rule get no gradient.

    Args:
        proximal: strength of the pull towards the initial weights, positive.
        conjugate_gradient_steps: Hessian-vector products spent on the solution.
        damping: added to the Hessian's diagonal besides `proximal`, zero or more. It
            keeps the solution small where the Hessian has negative directions, as it
            does where few steps end short of the minimum; the gradient comes nearer to
            the first-order one. On sinusoids 10 learned far more than 0.

    Raises:
        ValueError: if an argument is out of its range, or if the weights after every
            step are asked for.

    Example:

    >>> from maml_tf import MAML
    >>> base = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    >>> maml = MAML(base, inner_steps=20, meta_gradient=Implicit(proximal=2.0))
    """

    def __init__(
        self,
        proximal: float = 1.0,
        conjugate_gradient_steps: int = 5,
        damping: float = 0.0,
    ) -> None:
        self.proximal = positive("proximal", proximal)
        self.conjugate_gradient_steps = whole(
            "conjugate_gradient_steps", conjugate_gradient_steps
        )
        if not 0 <= float(damping) < float("inf"):
            raise ValueError(f"damping must be zero or more, not {damping!r}.")
        self.damping = float(damping)

    def prepare(self, problem: Any, stacked: dict[str, Any]) -> Any:
        elements = {**problem.elements, "anchor": list(stacked["fast"])}
        return problem._replace(elements=elements, proximal=self.proximal)

    def run(self, problem: Any, stacked: dict[str, Any], shared: Tensors) -> Any:
        if problem.every_step:
            raise ValueError(
                "The implicit meta-gradient holds where the inner loop ends, not after "
                "every step; give another meta_gradient, or multi_step_loss=False."
            )
        loops = StepLoops(problem, stacked, shared)
        plain = problem._replace(proximal=0.0)
        weights, _, finite, _ = loops.forward(stacked, loops.whole)

        def products(vectors: Tensors, names: tuple[str, ...]) -> dict[str, Tensors]:
            """Second derivatives of the loss, by the weights along `vectors` first."""

            def task(element: Any) -> Any:
                with tf.GradientTape() as tape:
                    read = {
                        "fast": watched(tape, element["fast"]),
                        "inputs": watched(tape, element["inputs"]),
                        "shared": watched(tape, shared),
                    }
                    support = {**element, "inputs": read["inputs"]}
                    # Without the proximal term, whose part is known.
                    _, gradients = plain.evaluate(
                        read["fast"], read["shared"], support, plain.steps
                    )
                wanted = {name: read[name] for name in names}
                return vector_jacobian_product(
                    tape, gradients, element["vectors"], wanted
                )

            return problem.map(
                f"products by {names}",
                task,
                {
                    **problem.elements,
                    **loops.fixed,
                    "fast": mask_tasks(finite, weights),
                    "vectors": vectors,
                },
            )

        def backward(upstream: Tensors) -> Any:
            shift = self.proximal + self.damping

            def matrix(vectors: Tensors) -> Any:
                curved = products(vectors, ("fast",))["fast"]
                shifted = [h + shift * v for h, v in zip(curved, vectors, strict=True)]
                return mask_tasks(finite, shifted)

            solution = conjugate_gradient(
                matrix, upstream, self.conjugate_gradient_steps
            )
            mixed = products(solution, ("inputs", "shared"))
            inputs, by_shared = (
                tf.nest.map_structure(tf.negative, mixed[name])
                for name in ("inputs", "shared")
            )
            stacked_gradients = {
                "fast": [self.proximal * t for t in solution],
                "inputs": gradients_like(stacked["inputs"], inputs),
                "state": tf.nest.map_structure(tf.zeros_like, stacked["state"]),
            }
            return stacked_gradients, sum_over_tasks(finite, by_shared)

        return weights, finite, backward


def conjugate_gradient(matrix: Any, right: Tensors, steps: int) -> Tensors:
    """Solves `matrix(x) = right` for every task, from zero, in `steps` products.

    Args:
        matrix: a symmetric positive definite linear map of tensors `[tasks, ...]` that
            does not mix tasks.
        right: the right-hand sides, tensors `[tasks, ...]`.
        steps: how many products with the matrix.

    Returns:
        The solutions. A task that is solved, or whose matrix turns out to have a
        direction that is not positive, stays as it is from there.

    Example:

    >>> double = lambda vectors: [2 * v for v in vectors]
    >>> conjugate_gradient(double, [tf.constant([[3.0], [5.0]])], 4)[0].numpy()
    array([[1.5],
           [2.5]], dtype=float32)
    """

    def dot(left: Any, right: Any) -> Any:
        terms = [
            tf.reduce_sum(a * b, axis=list(range(1, a.shape.rank)))
            for a, b in zip(left, right, strict=True)
        ]
        return sum(terms[1:], terms[0])

    def add(vectors: Tensors, factor: Any, others: Any) -> Any:
        return [
            v + tf.reshape(factor, [-1] + [1] * (v.shape.rank - 1)) * o
            for v, o in zip(vectors, others, strict=True)
        ]

    def body(step: Any, solution: Any, residual: Any, direction: Any, size: Any) -> Any:
        with sums_in_pairs():
            product = matrix(direction)
        curvature = dot(direction, product)
        fine = (curvature > 0) & (size > 0)
        length = tf.where(fine, size / tf.where(fine, curvature, 1), 0)
        solution = add(solution, length, direction)
        residual = add(residual, -length, product)
        new_size = tf.where(fine, dot(residual, residual), 0)
        ratio = tf.where(fine, new_size / tf.where(fine, size, 1), 0)
        return step + 1, solution, residual, add(residual, ratio, direction), new_size

    _, solution, *_ = tf.while_loop(
        lambda step, *_: step < steps,
        body,
        (
            tf.constant(0),
            [tf.zeros_like(v) for v in right],
            list(right),
            list(right),
            dot(right, right),
        ),
        maximum_iterations=steps,
        **ONE_AT_A_TIME,
    )
    return solution
