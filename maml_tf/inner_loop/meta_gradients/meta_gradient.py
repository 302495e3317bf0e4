"""The contract of the ways to differentiate through the inner loop."""

from typing import Any

import tensorflow as tf

from maml_tf.inner_loop.functional_model import Tensors
from maml_tf.inner_loop.problem import InnerProblem
from maml_tf.inner_loop.task_gradients import Backward


class MetaGradient:
    """How the gradient of a function of the adapted weights reaches what made them.

    Subclasses implement `run`. It is called with tensors that all have a task axis in
    `stacked`: `fast` and `state`, from which the steps start, and `inputs`, a
    `Support`. `shared` has none: the values of the other variables
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
