"""The contract of the ways to differentiate through the inner loop."""

from typing import Any

import tensorflow as tf

from maml_tf.inner_loop.problem import InnerProblem
from maml_tf.inner_loop.task_gradients import Backward

Tensors = list[tf.Tensor]


class MetaGradient:
    """How the gradient of a function of the adapted weights reaches what made them.

    Subclasses implement `run`. It is called with tensors that all have a task axis in
    `stacked`: `fast` and `state`, from which the steps start, and `inputs`, the
    features of the support set. `shared` has none: the values of the other variables
    that the steps read, those of the update rule included.
    """

    def prepare(self, problem: InnerProblem, stacked: dict[str, Any]) -> InnerProblem:
        """The problem with what the method adds to its objective.

        It is what the steps go down on whether a gradient is wanted or not.
        """
        return problem

    def run(
        self, problem: InnerProblem, stacked: dict[str, Any], shared: Tensors
    ) -> tuple[Tensors, tf.Tensor, Backward]:
        """Takes the inner steps.

        Args:
            problem: the steps of one task and of all, prepared.
            stacked: nests of tensors `[tasks, ...]`: `fast`, `state`, `inputs`.
            shared: values of the variables that the steps share.

        Returns:
            The fast weights `[tasks, ...]`, or with `problem.every_step` those after
            each step, `[tasks, steps, ...]`; which tasks had finite losses at all
            steps, `[tasks]`; and a function from the gradient by those weights to the
            gradients by `stacked`, `[tasks, ...]`, and by `shared`, summed over tasks.
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        options = ", ".join(f"{k}={v!r}" for k, v in sorted(vars(self).items()))
        return f"{type(self).__name__}({options})"

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal object."""
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MetaGradient":
        return cls(**config)


def watched(tape: tf.GradientTape, nest: Any) -> Any:
    """Copies of the tensors, watched: one tensor in two places must count once each."""
    copies = tf.nest.map_structure(tf.identity, nest)
    tape.watch(floating(copies))
    return copies


def floating(nest: Any) -> Tensors:
    """The floating tensors of a nest, flat; only they have gradients."""
    return [t for t in tf.nest.flatten(nest) if t.dtype.is_floating]


def gradients_like(nest: Any, flat: Tensors) -> Any:
    """The nest with its floating tensors replaced by `flat` and zeros elsewhere."""
    remaining = iter(flat)
    return tf.nest.map_structure(
        lambda t: next(remaining) if t.dtype.is_floating else tf.zeros_like(t), nest
    )


def vector_jacobian_product(
    tape: tf.GradientTape, outputs: Any, upstream: Tensors, sources: dict[str, Any]
) -> dict[str, Tensors]:
    """Gradients by the floating tensors of `sources`: by name, flat, and dense.

    Args:
        tape: the tape that watched the sources.
        outputs: a nest of tensors.
        upstream: the gradients by its floating tensors, flat.
        sources: nests of watched tensors by name.
    """
    names = sorted(sources)
    flat = [t for name in names for t in floating(sources[name])]
    gradients = iter(
        tape.gradient(
            floating(outputs),
            flat,
            output_gradients=upstream,
            unconnected_gradients="zero",
        )
    )
    return {
        name: [tf.convert_to_tensor(next(gradients)) for _ in floating(sources[name])]
        for name in names
    }
