"""Gradients that are taken per task, so that a broken task can be left out.

Tasks share weights, so one task's NaN would reach the meta-gradient of all through the
sum over tasks, and zero times NaN is NaN. Here every differentiated tensor has a task
axis until the end; then the entries of broken tasks are replaced by zero and summed.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Backward = Callable[[list[tf.Tensor]], tuple[Any, Any]]
Run = Callable[[Any, Any], tuple[Any, tf.Tensor, Backward]]


def finite_tasks(tensors: list[tf.Tensor]) -> tf.Tensor:
    """Which tasks have finite numbers only, `[tasks]`, over `[tasks, ...]` tensors.

    Example:

    >>> finite_tasks([tf.constant([[1.0, 2.0], [3.0, float("inf")]])]).numpy()
    array([ True, False])
    """
    finite = None
    for tensor in tensors:
        if tensor.dtype.is_floating:
            axes = list(range(1, tensor.shape.rank))
            each = tf.reduce_all(tf.math.is_finite(tensor), axis=axes)
            finite = each if finite is None else finite & each
    if finite is None:
        return tf.ones(tf.shape(tensors[0])[:1], tf.bool)
    return finite


def mask_tasks(finite: tf.Tensor, tensors: Any) -> Any:
    """Puts zero in place of the floating entries of tasks that are not finite.

    Example:

    >>> mask_tasks(tf.constant([True, False]), tf.constant([[1.0], [2.0]])).numpy()
    array([[1.],
           [0.]], dtype=float32)
    """

    def mask(tensor: Any) -> Any:
        tensor = tf.convert_to_tensor(tensor)
        if not tensor.dtype.is_floating:
            return tensor
        kept = tf.reshape(finite, [-1] + [1] * (tensor.shape.rank - 1))
        return tf.where(kept, tensor, tf.zeros([], tensor.dtype))

    return tf.nest.map_structure(mask, tensors)


def break_tasks(finite: tf.Tensor, tensors: Any) -> Any:
    """Makes every floating entry of tasks that are not finite NaN.

    The NaN is computed, and only where a task is broken: a constant one would trip
    `tf.debugging.enable_check_numerics` in every run.

    Example:

    >>> break_tasks(tf.constant([True, False]), tf.constant([[1.0], [2.0]])).numpy()
    array([[ 1.],
           [nan]], dtype=float32)
    """

    def broken(tensor: Any) -> tf.Tensor:
        tensor = tf.convert_to_tensor(tensor)
        if not tensor.dtype.is_floating:
            return tensor
        flags = tf.reshape(finite, [-1] + [1] * (tensor.shape.rank - 1))
        # The logarithm of 1, which is 0, or of -1.
        return tensor + tf.math.log(2 * tf.cast(flags, tensor.dtype) - 1)

    return tf.nest.map_structure(broken, tensors)


def sum_over_tasks(finite: tf.Tensor, tensors: Any) -> Any:
    """The sums over the finite tasks of `[tasks, ...]` tensors."""
    masked = mask_tasks(finite, tensors)
    return tf.nest.map_structure(lambda t: tf.reduce_sum(t, axis=0), masked)


def differentiate_per_task(run: Run, stacked: Any, shared: Any) -> Any:
    """Calls `run` and gives its outputs the gradient that `run` returns.

    Args:
        run: from `stacked` and `shared` to outputs, a nest of tensors `[tasks, ...]`;
            which tasks are finite `[tasks]`; and a function from the gradients of the
            flat outputs to those of `stacked`, `[tasks, ...]`, and of `shared`, already
            summed over the finite tasks.
        stacked: a nest of tensors `[tasks, ...]`.
        shared: a nest of tensors without a task axis.

    Returns:
        The outputs, NaN for tasks that are not finite.
    """
    arguments = {"stacked": stacked, "shared": shared}
    structure: list[Any] = []

    @tf.custom_gradient
    def call(*flat: Any) -> Any:
        given = tf.nest.pack_sequence_as(arguments, flat)
        outputs, finite, backward = run(given["stacked"], given["shared"])
        structure.append(outputs)

        def gradient(*upstream: Any, variables: Any = None) -> Any:
            gradients = backward(mask_tasks(finite, list(upstream)))
            wanted = {
                "stacked": mask_tasks(finite, gradients[0]),
                "shared": gradients[1],
            }
            result = [
                g if t.dtype.is_floating else None
                for t, g in zip(flat, tf.nest.flatten(wanted), strict=True)
            ]
            return result if variables is None else (result, [None] * len(variables))

        return break_tasks(finite, tf.nest.flatten(outputs)), gradient

    flat = call(*tf.nest.flatten(arguments))
    flat = flat if isinstance(flat, (list, tuple)) else [flat]
    return tf.nest.pack_sequence_as(structure[0], flat)
