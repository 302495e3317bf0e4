"""The compiled loss of each task, whatever Keras loss it is."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

# Has no public name.
from tensorflow.python.distribute.distribute_lib import _get_default_strategy

from maml_tf.inner_loop.task_gradients import finite_tasks, mask_tasks

Loss = Callable[..., tf.Tensor]


def losses_of_tasks(
    loss: Loss, episode: Any, predictions: Any, *, guarded: bool
) -> tf.Tensor:
    """The loss of each task, `[tasks]`.

    Args:
        loss: from a batch of one task, `(episode, predictions)`, to its loss, a scalar
            or one value a query. Tasks are taken one by one, because a user's loss
            need not vectorise.
        episode: a nest of tensors `[tasks, ...]`; parts may be None.
        predictions: a nest of tensors `[tasks, query, ...]`.
        guarded: give a task whose loss or predictions are not finite no gradient, not
            even one of zero times infinity.

    Example:

    >>> losses_of_tasks(lambda y, p: tf.abs(y - p), tf.constant([[1.0], [5.0]]),
    ...                 tf.constant([[2.0], [2.0]]), guarded=True).numpy()
    array([1., 3.], dtype=float32)
    """
    if not guarded:
        return _one_by_one(loss, episode, predictions)
    found = tf.stop_gradient(
        _one_by_one(loss, episode, tf.nest.map_structure(tf.stop_gradient, predictions))
    )
    kept = tf.math.is_finite(found) & finite_tasks(tf.nest.flatten(predictions))
    safe = _one_by_one(loss, episode, mask_tasks(kept, predictions))
    return tf.where(kept, safe, found)


def as_on_one_device(loss: Loss) -> Loss:
    """The loss without the part that Keras takes of it for each device.

    Under `tf.distribute` Keras divides a mean by the number of devices, so that the
    optimizer's sum over devices is a mean again. An inner loss is not summed over
    devices, and the mean over tasks of all devices is taken once, for all losses.
    """

    def alone(*arguments: Any) -> tf.Tensor:
        if tf.distribute.get_strategy().num_replicas_in_sync == 1:
            return loss(*arguments)
        with tf.distribute.ReplicaContext(_get_default_strategy(), 0):
            return loss(*arguments)

    return alone


def sums_over_tasks(compiled: Any) -> bool:
    """Whether the compiled losses are summed over a batch, and not averaged.

    Args:
        compiled: the learner's compiled loss after its first call, or None.

    Raises:
        ValueError: if some are summed and some are averaged.
    """
    losses = [entry.loss for entry in getattr(compiled, "_flat_losses", None) or []]
    sums = {getattr(loss, "reduction", None) == "sum" for loss in losses}
    if len(sums) > 1:
        raise ValueError(
            "Some of the compiled losses have reduction='sum' and some do not; give "
            "all of them the same."
        )
    return sums == {True}


def number_over_devices(kept: tf.Tensor, dtype: Any) -> tf.Tensor:
    """How many tasks are kept on all devices together, at least one.

    Example:

    >>> number_over_devices(tf.constant([True, False, True]), tf.float32).numpy()
    np.float32(2.0)
    """
    count = tf.reduce_sum(tf.cast(kept, dtype))
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        count = tf.distribute.get_replica_context().all_reduce("sum", count)
    return tf.maximum(count, 1)


def only_tasks(kept: tf.Tensor, nest: Any) -> Any:
    """The kept tasks of tensors `[tasks, ...]`; None stays None.

    Example:

    >>> only_tasks(tf.constant([True, False]), tf.constant([[1], [2]])).numpy()
    array([[1]], dtype=int32)
    """
    return keras.tree.map_structure(
        lambda t: None if t is None else tf.boolean_mask(t, kept), nest
    )


def _one_by_one(loss: Loss, episode: Any, predictions: Any) -> tf.Tensor:
    def task(place: Any) -> tf.Tensor:
        one = tf.nest.map_structure(
            lambda t: None if t is None else t[place : place + 1],
            (episode, predictions),
        )
        return tf.reduce_mean(loss(*one))

    first = tf.nest.flatten(predictions)[0]
    if first.shape[0] is not None:
        return tf.stack([task(place) for place in range(first.shape[0])])
    dtype = keras.backend.floatx()
    return tf.map_fn(
        lambda place: tf.cast(task(place), dtype),
        tf.range(tf.shape(first)[0]),
        fn_output_signature=dtype,
    )
