"""What the recursive meta-gradients share: two loops, with or without checkpoints."""

import math
from typing import Any

import tensorflow as tf

from maml_tf.inner_loop.functional_model import Tensors
from maml_tf.inner_loop.meta_gradients.meta_gradient import MetaGradient
from maml_tf.inner_loop.meta_gradients.step_loops import (
    ONE_AT_A_TIME,
    History,
    Span,
    StepLoops,
    last_and_earlier,
)
from maml_tf.inner_loop.problem import InnerProblem, Step
from maml_tf.inner_loop.tape import vector_jacobian_product, watched


class ByRecursion(MetaGradient):
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
        self,
        problem: InnerProblem,
        kept: dict[str, Any],
        read: dict[str, Any],
        step: Any,
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
        loops: StepLoops,
        kept: dict[str, Any],
        step: tf.Tensor,
        weight_gradients: Tensors,
        state_gradients: Tensors,
    ) -> dict[str, Tensors]:
        """Per-task gradients by what a step read; see `StepLoops.backward`."""
        problem = loops.problem

        def task(element: Any) -> Any:
            with tf.GradientTape() as tape:
                names = ("fast", "state", "inputs")
                read = {name: watched(tape, element[name]) for name in names}
                read["shared"] = watched(tape, loops.shared)
                after = self.redo(problem, element, read, step)
            return vector_jacobian_product(tape, after, element["upstream"], read)

        upstream = [*weight_gradients, *state_gradients]
        elements = {**problem.elements, **loops.fixed, **kept}
        return problem.map("step back", task, {**elements, "upstream": upstream})

    def run(
        self, problem: InnerProblem, stacked: dict[str, Any], shared: Tensors
    ) -> Any:
        loops = StepLoops(problem, stacked, shared)
        # Whoever asks for the weights after every step holds them anyway.
        if self.checkpoint and problem.steps > 2 and not problem.every_step:
            return self._run_checkpointed(loops)
        span = loops.whole
        weights, _, finite, history = loops.forward(stacked, span, self.record)
        if problem.every_step:
            before = history.stack()["fast"]
            weights = [
                tf.concat([b[:, 1:], w[:, tf.newaxis]], axis=1)
                for b, w in zip(before, weights, strict=True)
            ]

        def backward(upstream: Tensors) -> Any:
            between = None
            if problem.every_step:
                upstream, between = last_and_earlier(upstream)
            carried = loops.start_back(upstream)
            back = self._back(loops)
            return loops.end_back(
                loops.backward(back, history, span, finite, carried, between)
            )

        return weights, finite, backward

    def _back(self, loops: StepLoops) -> Any:
        return lambda *arguments: self.step_back(loops, *arguments)

    def _run_checkpointed(self, loops: StepLoops) -> Any:
        steps = loops.problem.steps
        length = math.isqrt(steps - 1) + 1
        segments = -(-steps // length)
        stacked = loops.stacked

        def span(segment: Any) -> Any:
            first = segment * length
            return Span(first, tf.minimum(first + length, steps), length)

        start = {key: stacked[key] for key in ("fast", "state")}
        saved = History(start, segments)

        def forward(segment: Any, start: Any, finite: Any, arrays: Any) -> Any:
            arrays = saved.write(arrays, segment, start)
            weights, state, fine, _ = loops.forward(start, span(segment))
            ahead = {"fast": weights, "state": state}
            return segment + 1, ahead, finite & fine, arrays

        _, end, finite, saved.arrays = tf.while_loop(
            lambda segment, *_: segment < segments,
            forward,
            (tf.constant(0), start, loops.flags(), saved.arrays),
            maximum_iterations=segments,
            **ONE_AT_A_TIME,
        )

        def back(segment: Any, carried: Any) -> Any:
            part = span(segment)
            history = loops.forward(saved.read(segment), part, self.record)[-1]
            back = self._back(loops)
            return segment - 1, loops.backward(back, history, part, finite, carried)

        def backward(upstream: Tensors) -> Any:
            _, carried = tf.while_loop(
                lambda segment, _: segment >= 0,
                back,
                (tf.constant(segments - 1), loops.start_back(upstream)),
                maximum_iterations=segments,
                **ONE_AT_A_TIME,
            )
            return loops.end_back(carried)

        return end["fast"], finite, backward
