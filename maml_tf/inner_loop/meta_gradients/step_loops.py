"""The loop over the inner steps and the loop back over them, each traced once."""

from typing import Any, NamedTuple, TypeAlias

import tensorflow as tf

from maml_tf.inner_loop.functional_model import Tensors
from maml_tf.inner_loop.problem import InnerProblem, Step
from maml_tf.inner_loop.sums import sums_in_pairs
from maml_tf.inner_loop.tape import floating, gradients_like
from maml_tf.inner_loop.task_gradients import mask_tasks, sum_over_tasks

Index: TypeAlias = int | tf.Tensor

# Every step needs the one before it: more at once would only hold more memory.
ONE_AT_A_TIME = {"parallel_iterations": 1}


class History:
    """A nest of tensors for each of `size` steps, written in one loop, read in another.

    Args:
        example: a nest of tensors of the right shapes.
        size: for how many steps.
    """

    def __init__(self, example: Any, size: int) -> None:
        self.structure = example
        self.arrays = [
            tf.TensorArray(t.dtype, size, element_shape=t.shape, clear_after_read=False)
            for t in tf.nest.flatten(example)
        ]

    def write(self, arrays: list[tf.TensorArray], index: Index, values: Any) -> Any:
        """The arrays, which a loop carries, with one more nest in them."""
        flat = tf.nest.flatten(values)
        return [a.write(index, value) for a, value in zip(arrays, flat, strict=True)]

    def read(self, index: Index) -> Any:
        """The nest that was written at an index."""
        values = [array.read(index) for array in self.arrays]
        return tf.nest.pack_sequence_as(self.structure, values)

    def unstack(self, stacked: Any) -> None:
        """Takes all of them from a nest of tensors `[tasks, size, ...]`."""
        self.arrays = [
            array.unstack(_swapped(t))
            for array, t in zip(self.arrays, tf.nest.flatten(stacked), strict=True)
        ]

    def stack(self) -> Any:
        """All of them, `[tasks, size, ...]`."""
        values = [_swapped(array.stack()) for array in self.arrays]
        return tf.nest.pack_sequence_as(self.structure, values)


class Span(NamedTuple):
    """The steps `first` to `last`, not included; `most` bounds their number."""

    first: Index
    last: Index
    most: int


class StepLoops:
    """Steps of all tasks, taken forward and back in a `tf.while_loop` each.

    Args:
        problem: the steps.
        stacked: see `MetaGradient.run`.
        shared: see `MetaGradient.run`.
    """

    def __init__(
        self, problem: InnerProblem, stacked: dict[str, Any], shared: Tensors
    ) -> None:
        self.problem = problem
        self.stacked = stacked
        self.shared = shared
        self.fixed = {k: v for k, v in stacked.items() if k not in ("fast", "state")}
        self.whole = Span(0, problem.steps, problem.steps)

    def flags(self) -> tf.Tensor:
        """`[tasks]`, all true."""
        some = self.stacked["fast"][0]
        flags = tf.ones(tf.shape(some)[:1], tf.bool)
        return tf.ensure_shape(flags, some.shape[:1])

    def forward(
        self, start: dict[str, Any], span: Span, record: Any = None
    ) -> tuple[Tensors, Any, tf.Tensor, History]:
        """Takes the steps of a span.

        Args:
            start: `fast` and `state`, `[tasks, ...]`, before the span.
            span: which steps.
            record: what to keep of a `Step` of all tasks, or None for nothing.

        Returns:
            Weights and state behind the span, which tasks had finite losses in it, and
            what was kept, counted from the span's first step; empty without `record`.
        """
        weights, state = list(start["fast"]), start["state"]
        losses = tf.cast(self.flags(), weights[0].dtype)
        first = Step(weights, state, weights, losses)
        history = History(record(first) if record else [], span.most)

        def body(
            step: Any, weights: Tensors, state: Any, finite: tf.Tensor, arrays: Any
        ) -> Any:
            with sums_in_pairs():
                new, new_state, before = self.problem.step_all(
                    weights, state, self.fixed, self.shared, step
                )
            if record:
                arrays = history.write(arrays, step - span.first, record(before))
            finite = finite & tf.math.is_finite(before.loss)
            return step + 1, new, new_state, finite, arrays

        _, weights, state, finite, arrays = tf.while_loop(
            lambda step, *_: step < span.last,
            body,
            (
                tf.convert_to_tensor(span.first),
                weights,
                state,
                self.flags(),
                history.arrays,
            ),
            maximum_iterations=span.most,
            **ONE_AT_A_TIME,
        )
        history.arrays = arrays
        return weights, state, finite, history

    def backward(
        self,
        step_back: Any,
        history: History,
        span: Span,
        finite: tf.Tensor,
        carried: dict[str, Tensors],
        between: History | None = None,
    ) -> dict[str, Tensors]:
        """Goes back over a span, one vector-Jacobian product a step.

        Args:
            step_back: from what was kept of a step, its number, and the gradients by
                its resulting weights and state, to per-task gradients of `fast`,
                `state`, `inputs` and `shared`, all flat.
            history: what `forward` kept.
            span: which steps.
            finite: tasks that are not are left out.
            carried: the gradients behind the span, see `start_back`.
            between: further gradients by the weights before each step, or None.

        Returns:
            The gradients before the span; `inputs` and `shared` have been added to.
        """

        def body(step: Any, carried: Any) -> Any:
            kept = history.read(step - span.first)
            with sums_in_pairs():
                found = step_back(kept, step, carried["fast"], carried["state"])
            inputs = mask_tasks(finite, found["inputs"])
            shared = sum_over_tasks(finite, found["shared"])
            fast = mask_tasks(finite, found["fast"])
            if between is not None:
                fast = _add(fast, between.read(step - span.first))
            return step - 1, {
                "fast": fast,
                "state": mask_tasks(finite, found["state"]),
                "inputs": _add(carried["inputs"], inputs),
                "shared": _add(carried["shared"], shared),
            }

        _, carried = tf.while_loop(
            lambda step, _: step >= span.first,
            body,
            (tf.convert_to_tensor(span.last) - 1, carried),
            maximum_iterations=span.most,
            **ONE_AT_A_TIME,
        )
        return carried

    def start_back(self, upstream: Tensors) -> dict[str, Tensors]:
        """The gradients behind the last step, where only the weights have one."""
        zeros = {
            "state": floating(self.stacked["state"]),
            "inputs": floating(self.stacked["inputs"]),
            "shared": list(self.shared),
        }
        return {"fast": upstream, **tf.nest.map_structure(tf.zeros_like, zeros)}

    def end_back(self, carried: dict[str, Tensors]) -> tuple[dict[str, Any], Tensors]:
        """The gradients by `stacked` and by `shared` before the first step."""
        stacked = {k: gradients_like(v, carried[k]) for k, v in self.stacked.items()}
        return stacked, carried["shared"]


def last_and_earlier(upstream: Tensors) -> tuple[Tensors, History]:
    """Gradients by the weights after each step, as `StepLoops.backward` takes them.

    Args:
        upstream: tensors `[tasks, steps, ...]`.

    Returns:
        The gradients by the weights behind the last step, and those by the weights
        before each step, which the step before it ended with; none before the first.
    """
    last = [t[:, -1] for t in upstream]
    earlier = History(last, upstream[0].shape[1])
    earlier.unstack(
        [tf.concat([tf.zeros_like(t[:, :1]), t[:, :-1]], axis=1) for t in upstream]
    )
    return last, earlier


def _swapped(stacked: tf.Tensor) -> tf.Tensor:
    """With the first two axes, steps and tasks, in the other order."""
    return tf.transpose(stacked, [1, 0, *range(2, stacked.shape.rank)])


def _add(left: Tensors, right: Tensors) -> Tensors:
    return [a + b for a, b in zip(left, right, strict=True)]
