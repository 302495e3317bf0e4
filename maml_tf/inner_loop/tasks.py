"""Running one function on every task of a batch of tasks."""

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from typing import Any

import tensorflow as tf

# Has no public name; the tests of the compiled meta-step guard this import.
from tensorflow.python.ops.parallel_for import control_flow_ops

from maml_tf.inner_loop import (  # noqa: F401  each registers its own
    convolution_converters,
    missing_converters,
)
from maml_tf.inner_loop.one_by_one import kept_log, warn_of_one_by_one
from maml_tf.inner_loop.shared_patch import shared_patch


def over_tasks(
    function: Callable[[Any], Any], elements: Any, *, vectorized: bool = True
) -> Any:
    """Maps `function` over the leading task axis of every tensor in `elements`.

    A single task needs no vectorisation: the axis is taken off and put back, which
    gives plain kernels and is what a served model runs most of the time.

    Args:
        function: from a nest of tensors without the task axis to a nest of tensors.
        elements: a nest of tensors `[tasks, ...]`.
        vectorized: all tasks at once (`tf.vectorized_map`), or one after the other
            where TensorFlow cannot, with a warning that names what it cannot do;
            False for one after the other at once.

    Returns:
        The nest `function` returns, each tensor with a leading task axis.

    Example:

    >>> rows = tf.constant([[1, 2], [3, 4]])
    >>> over_tasks(lambda row: tf.reduce_sum(row), rows).numpy()
    array([3, 7], dtype=int32)
    """
    return TaskMap(vectorized)(None, function, elements)


class TaskMap:
    """Maps over the task axis, and remembers what cannot be mapped at once.

    To find out that TensorFlow cannot map a layer takes as long as mapping it: many
    seconds for a recurrent one. It is found out once.

    Args:
        vectorized: see `over_tasks`.

    Example:

    >>> task_map = TaskMap()
    >>> task_map("sums", tf.reduce_sum, tf.constant([[1, 2], [3, 4]])).numpy()
    array([3, 7], dtype=int32)
    """

    def __init__(self, vectorized: bool = True) -> None:
        self.vectorized = vectorized
        self._one_by_one: set[Hashable] = set()

    def __call__(
        self, place: Hashable, function: Callable[[Any], Any], elements: Any
    ) -> Any:
        """Maps `function` as `over_tasks` does.

        Args:
            place: where in the program this is; what failed there is not tried again.
            function, elements: see `over_tasks`.
        """
        tasks = tf.nest.flatten(elements)[0].shape[0]
        if tasks == 1:
            single = tf.nest.map_structure(lambda t: t[0], elements)
            return tf.nest.map_structure(lambda t: t[tf.newaxis], function(single))
        if not self.vectorized or place in self._one_by_one:
            return _one_after_the_other(function, elements, tasks)
        with kept_log() as log:
            # Converting its source would take seconds, once a process; Keras leaves its
            # training steps as they are, too.
            plain = tf.autograph.experimental.do_not_convert(function)
            try:
                with _in_the_same_graph():
                    return tf.vectorized_map(
                        plain, elements, fallback_to_while_loop=False
                    )
            except Exception as error:
                # What TensorFlow cannot map comes as any of a dozen exceptions.
                failure = error
        # An error of the function's own comes again here, without the mapping.
        result = _one_after_the_other(function, elements, tasks)
        self._one_by_one.add(place)
        warn_of_one_by_one(failure, log)
        return result


def _one_after_the_other(
    function: Callable[[Any], Any], elements: Any, tasks: int | None
) -> Any:
    if tasks is None:
        return _map_unknown_number(function, elements)
    results = [
        function(tf.nest.map_structure(lambda t, i=i: t[i], elements))
        for i in range(tasks)
    ]
    return tf.nest.map_structure(lambda *values: tf.stack(values), *results)


def _in_the_same_graph() -> AbstractContextManager[None]:
    """Keeps `tf.vectorized_map` from putting its work into a function of its own.

    It does so under XLA. A gradient through such a function wants the shapes that the
    function computed, XLA then takes all that goes into it for compile-time constants,
    and the step is compiled anew for every batch of tasks.
    """
    return shared_patch(control_flow_ops, "_is_under_xla_context", _never)


def _never() -> bool:
    return False


def number_of_tasks(tensor: tf.Tensor) -> int | tf.Tensor:
    """The size of the task axis, as an integer where it is known."""
    return tf.shape(tensor)[0] if tensor.shape[0] is None else tensor.shape[0]


def repeat_for_tasks(tensors: Any, tasks: int | tf.Tensor) -> Any:
    """Gives every tensor a leading axis of `tasks` equal entries.

    Example:

    >>> repeat_for_tasks([tf.constant([1, 2])], 3)[0].shape
    TensorShape([3, 2])
    """

    def repeat(tensor: Any) -> Any:
        tensor = tf.convert_to_tensor(tensor)
        return tf.broadcast_to(
            tensor[tf.newaxis], tf.concat([[tasks], tf.shape(tensor)], 0)
        )

    return tf.nest.map_structure(repeat, tensors)


def _map_unknown_number(function: Callable[[Any], Any], elements: Any) -> Any:
    first = tf.nest.map_structure(lambda t: t[0], elements)
    shapes = tf.function(function, autograph=False).get_concrete_function(
        tf.nest.map_structure(lambda t: tf.TensorSpec(t.shape, t.dtype), first)
    )
    signature = tf.nest.map_structure(
        lambda t: tf.TensorSpec(t.shape, t.dtype), shapes.structured_outputs
    )
    if not tf.nest.flatten(signature):
        return signature  # nothing to stack, such as the state of a rule without one
    return tf.map_fn(function, elements, fn_output_signature=signature)
