"""What the recursive meta-gradients share: two loops, with or without checkpoints."""

import math
from typing import Any

import tensorflow as tf

from maml_tf.inner_loop.meta_gradients.meta_gradient import (
    MetaGradient,
    Tensors,
    vector_jacobian_product,
    watched,
)
from maml_tf.inner_loop.meta_gradients.recursion import (
    ONE_AT_A_TIME,
    History,
    Recursion,
    Span,
    last_and_earlier,
)
from maml_tf.inner_loop.problem import InnerProblem, Step


class Recursive(MetaGradient):
    """A loop forward that keeps a little of each step, and a loop back.

    Subclasses say what to keep of a step in `record` and how to take it once more, for
    its gradient, in `redo`.

    Args:
        checkpoint: keep weights and state of every sqrt(K)-th step only, and take the
            steps between once more on the way back: about 2 sqrt(K) copies instead of
            K, for one more inner gradient a step.
    """

    def __init__(self, checkpoint: bool = False) -> None:
        self.checkpoint = checkpoint

    def record(self, step: Step) -> dict[str, Any]:
        """What to keep of a step of all tasks: tensors `[tasks, ...]`.

        It has the `fast` weights and the `state` that the step began from.
        """
        return {"fast": step.weights, "state": step.state}

    def redo(
        self, problem: InnerProblem, kept: dict[str, Any], read: dict[str, Any], step
    ) -> tuple[Tensors, Any]:
        """Weights and state of one task after a step.

        Args:
            problem: the steps.
            kept: what was kept of this step, and the `InnerProblem.elements`.
            read: `fast`, `state`, `inputs` and `shared`, by which to differentiate.
            step: its number.
        """
        raise NotImplementedError

    def step_back(
        self,
        recursion: Recursion,
        kept: dict[str, Any],
        step: tf.Tensor,
        weight_gradients: Tensors,
        state_gradients: Tensors,
    ) -> dict[str, Tensors]:
        """Per-task gradients by what a step read; see `Recursion.backward`."""
        problem = recursion.problem

        def task(element):
            with tf.GradientTape() as tape:
                names = ("fast", "state", "inputs")
                read = {name: watched(tape, element[name]) for name in names}
                read["shared"] = watched(tape, recursion.shared)
                after = self.redo(problem, element, read, step)
            return vector_jacobian_product(tape, after, element["upstream"], read)

        upstream = [*weight_gradients, *state_gradients]
        elements = {**problem.elements, **recursion.fixed, **kept}
        return problem.map(task, {**elements, "upstream": upstream})

    def run(self, problem, stacked, shared):
        recursion = Recursion(problem, stacked, shared)
        # Whoever asks for the weights after every step holds them anyway.
        if self.checkpoint and problem.steps > 2 and not problem.every_step:
            return self._run_checkpointed(recursion)
        span = recursion.whole
        weights, _, finite, history = recursion.forward(stacked, span, self.record)
        if problem.every_step:
            before = history.stack()["fast"]
            weights = [
                tf.concat([b[:, 1:], w[:, tf.newaxis]], axis=1)
                for b, w in zip(before, weights, strict=True)
            ]

        def backward(upstream):
            between = None
            if problem.every_step:
                upstream, between = last_and_earlier(upstream)
            carried = recursion.start_back(upstream)
            back = self._back(recursion)
            return recursion.end_back(
                recursion.backward(back, history, span, finite, carried, between)
            )

        return weights, finite, backward

    def _back(self, recursion: Recursion) -> Any:
        return lambda *arguments: self.step_back(recursion, *arguments)

    def _run_checkpointed(self, recursion: Recursion):
        steps = recursion.problem.steps
        length = math.isqrt(steps - 1) + 1
        segments = -(-steps // length)
        stacked = recursion.stacked

        def span(segment):
            first = segment * length
            return Span(first, tf.minimum(first + length, steps), length)

        start = {key: stacked[key] for key in ("fast", "state")}
        saved = History(start, segments)

        def forward(segment, start, finite, arrays):
            arrays = saved.write(arrays, segment, start)
            weights, state, fine, _ = recursion.forward(start, span(segment))
            ahead = {"fast": weights, "state": state}
            return segment + 1, ahead, finite & fine, arrays

        _, end, finite, saved.arrays = tf.while_loop(
            lambda segment, *_: segment < segments,
            forward,
            (tf.constant(0), start, recursion.flags(), saved.arrays),
            maximum_iterations=segments,
            **ONE_AT_A_TIME,
        )

        def back(segment, carried):
            part = span(segment)
            history = recursion.forward(saved.read(segment), part, self.record)[-1]
            back = self._back(recursion)
            return segment - 1, recursion.backward(back, history, part, finite, carried)

        def backward(upstream):
            _, carried = tf.while_loop(
                lambda segment, _: segment >= 0,
                back,
                (tf.constant(segments - 1), recursion.start_back(upstream)),
                maximum_iterations=segments,
                **ONE_AT_A_TIME,
            )
            return recursion.end_back(carried)

        return end["fast"], finite, backward
