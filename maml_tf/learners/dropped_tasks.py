"""Tasks that broke: left out of the meta-gradient, counted, and not too many."""

import math
from typing import Any

import keras
import tensorflow as tf

from maml_tf.inner_loop.task_gradients import finite_tasks, mask_tasks


class TrainingDivergedError(ArithmeticError):
    """Too many tasks gave a NaN or infinite loss for training to go on."""


class DroppedTasks(keras.metrics.Metric):
    """Counts the tasks that were left out since the last reset, once an epoch.

    Example:

    >>> metric = DroppedTasks()
    >>> metric.update_state(tf.constant([True, False, True, True]))
    >>> float(metric.result()), float(metric.share())
    (1.0, 0.25)
    """

    def __init__(self, name: str = "dropped_tasks", **kwargs: Any) -> None:
        super().__init__(name=name, dtype="float32", **kwargs)
        self.dropped = self.add_variable((), "zeros", name="dropped")
        self.seen = self.add_variable((), "zeros", name="seen")

    def update_state(self, finite: tf.Tensor, sample_weight: Any = None) -> None:
        """Adds a batch of tasks; `finite` `[tasks]` says which of them are kept."""
        broken = tf.cast(tf.logical_not(finite), tf.float32)
        self.dropped.assign(self.dropped + tf.reduce_sum(broken))
        self.seen.assign(self.seen + tf.cast(tf.size(finite), tf.float32))

    def result(self) -> tf.Tensor:
        return tf.convert_to_tensor(self.dropped)

    def share(self) -> tf.Tensor:
        """The dropped tasks over all tasks."""
        seen = tf.convert_to_tensor(self.seen)
        return tf.convert_to_tensor(self.dropped) / tf.maximum(seen, 1)

    def check(self, largest_share: float) -> None:
        """Raises TrainingDivergedError if more than the share was dropped."""
        if float(self.share()) > largest_share:
            dropped, seen = float(self.result()), float(tf.convert_to_tensor(self.seen))
            raise TrainingDivergedError(
                f"{dropped:.0f} of {seen:.0f} tasks gave a NaN "
                "or infinite loss or a gradient too large to square, more than "
                f"largest_dropped_share={largest_share} allows; lower the inner or the "
                "outer learning rate, clip the inner gradients, or look for broken "
                "examples."
            )


class StopWhenDiverged(keras.callbacks.Callback):
    """Checks the share of dropped tasks after every batch of `fit`."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.model.check_dropped_tasks()


def without_broken_inputs(x: Any) -> tuple[Any, tf.Tensor]:
    """The episode with zeros for tasks that hold NaN or infinity, and which do not."""
    finite = finite_tasks([tf.convert_to_tensor(t) for t in tf.nest.flatten(x)])
    return mask_tasks(finite, x), finite


def all_usable(gradients: list[Any]) -> tf.Tensor:
    """Whether every number in the gradients is finite, and its square too; a scalar.

    Adam keeps a mean of squares. One that overflows makes it infinite, and NaN at the
    step after, and every weight with it.

    Example:

    >>> [bool(all_usable([tf.constant([1.0, large])])) for large in (1e19, 1e20)]
    [True, False]
    """
    flags = [_squares_are_finite(_values(g)) for g in gradients if g is not None]
    return tf.reduce_all(tf.stack(flags)) if flags else tf.constant(True)


def zero_unless(keep: tf.Tensor, gradients: list[Any]) -> list[Any]:
    """The gradients, or zeros in their place."""

    def choose(gradient: Any) -> Any:
        if gradient is None:
            return None
        values = _values(gradient)
        values = tf.where(keep, values, tf.zeros_like(values))
        if isinstance(gradient, tf.IndexedSlices):
            return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
        return values

    return [choose(gradient) for gradient in gradients]


def _squares_are_finite(values: tf.Tensor) -> tf.Tensor:
    # NaN is not less than anything.
    return tf.reduce_all(tf.abs(values) < math.sqrt(float(values.dtype.max)))


def _values(gradient: Any) -> tf.Tensor:
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
