"""The loss that the inner loop goes down on, from what `compile` was given."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


def make_inner_loss(
    loss: Any = None, loss_weights: Any = None
) -> Callable[[Any, Any], tf.Tensor]:
    """A function of targets and predictions of one task.

    Args:
        loss: as `compile` takes it: a name, a Keras loss, a function, or a dict or list
            of those for several outputs; None is the cross-entropy of class numbers
            and logits.
        loss_weights: for several outputs, or None.

    Example:

    >>> both = make_inner_loss({"a": "mse", "b": "mae"}, {"a": 1.0, "b": 10.0})
    >>> ones = {"a": tf.ones((2, 1)), "b": tf.ones((2, 1))}
    >>> both(ones, {"a": 3 * ones["a"], "b": 3 * ones["b"]}).numpy()
    np.float32(24.0)
    """
    if loss is None:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if isinstance(loss, (list, tuple)) and len(loss) == 1:
        loss = loss[0]
    if not tf.nest.is_nested(loss):
        one = keras.losses.get(loss)
        return lambda targets, predictions: _of_all(one, targets, predictions)
    losses = _by_output(loss)
    weights = _by_output(loss_weights) if tf.nest.is_nested(loss_weights) else {}

    def several(targets: Any, predictions: Any) -> tf.Tensor:
        targets, predictions = _by_output(targets), _by_output(predictions)
        total = tf.zeros(())
        for name, each in losses.items():
            if each is not None:
                value = tf.reduce_mean(
                    keras.losses.get(each)(targets[name], predictions[name])
                )
                total = tf.cast(total, value.dtype) + weights.get(name, 1.0) * value
        return total

    return several


def is_relative(loss: Any) -> bool:
    """Whether a loss, as `compile` takes it, is of predictions minus the start's.

    A loss says so by an attribute `relative_to_start` that is true.

    Raises:
        ValueError: if it is one of several losses.

    Example:

    >>> from maml_tf.base_learners import PreferenceLoss
    >>> is_relative(PreferenceLoss()), is_relative("mse")
    (True, False)
    """
    if isinstance(loss, (list, tuple)) and len(loss) == 1:
        loss = loss[0]
    found = [
        getattr(one, "relative_to_start", False) for one in keras.tree.flatten(loss)
    ]
    if any(found) and tf.nest.is_nested(loss):
        raise ValueError(
            "A loss relative to the start is compiled alone, not as one of several."
        )
    return any(found)


def _of_all(loss: Callable, targets: Any, predictions: Any) -> tf.Tensor:
    """One loss for each of the outputs, as Keras takes it."""
    if not tf.nest.is_nested(predictions):
        return loss(targets, predictions)
    pairs = zip(
        keras.tree.flatten(targets), keras.tree.flatten(predictions), strict=True
    )
    return sum(tf.reduce_mean(loss(y, p)) for y, p in pairs)


def _by_output(nest: Any) -> dict[Any, Any]:
    return dict(nest) if isinstance(nest, dict) else dict(enumerate(nest))
