"""Class weights as weights of queries, where the targets are at hand."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf


class ClassWeights:
    """A weight for each class; classes that are not named count one.

    Keras looks for the class of `[tasks, query]` labels along the query axis, so class
    weights are put on here, in the training step, whatever the data come from.

    Args:
        weights: class number to weight.

    Raises:
        ValueError: for a class or a weight that cannot be one.

    Example:

    >>> ClassWeights({1: 3.0}).of(tf.constant([[0, 1, 2]])).numpy()
    array([[1., 3., 1.]], dtype=float32)
    """

    def __init__(self, weights: Mapping[int, float]) -> None:
        for label, weight in weights.items():
            if int(label) != label or label < 0:
                raise ValueError(
                    f"class_weight has the key {label!r}; its keys are class numbers "
                    "from 0."
                )
            if not math.isfinite(weight) or weight < 0:
                raise ValueError(
                    f"class_weight gives class {label} the weight {weight!r}; give a "
                    "number that is not negative."
                )
        self.weights = {int(k): float(v) for k, v in weights.items()}
        # One row more, for the classes without a weight.
        table = np.ones(max(self.weights) + 2)
        for label, weight in self.weights.items():
            table[label] = weight
        self.table = table

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClassWeights) and self.weights == other.weights

    __hash__ = None  # type: ignore[assignment]

    def of(self, targets: Any, dtype: Any = tf.float32) -> tf.Tensor:
        """The weight of each query, `[tasks, query]`.

        Args:
            targets: class numbers `[tasks, query]` or `[tasks, query, 1]`, or one-hot
                `[tasks, query, ways]`.
            dtype: of the weights.

        Raises:
            ValueError: for several outputs, of which Keras would not know either whose
                classes are meant.
        """
        if tf.nest.is_nested(targets):
            raise ValueError(
                "class_weight is for learners with a single output; give "
                "sample_weight for each of several."
            )
        targets = tf.convert_to_tensor(targets)
        if targets.shape.rank > 2 and targets.shape[-1] == 1:
            targets = tf.squeeze(targets, -1)
        elif targets.shape.rank > 2:
            targets = tf.argmax(targets, -1)
        if targets.dtype.is_floating:
            targets = tf.round(targets)
        labels = tf.cast(targets, tf.int32)
        rest = len(self.table) - 1
        labels = tf.where((labels < 0) | (labels > rest), rest, labels)
        return tf.gather(tf.constant(self.table, dtype), labels)


def multiply_weights(left: Any, right: Any) -> Any:
    """Weights that both count, each None, `[tasks]`, or `[tasks, query, ...]`.

    Example:

    >>> multiply_weights(tf.constant([2.0]), tf.constant([[1.0, 3.0]])).numpy()
    array([[2., 6.]], dtype=float32)
    """
    if left is None or right is None:
        return right if left is None else left
    left, right = tf.convert_to_tensor(left), tf.convert_to_tensor(right)
    left = tf.cast(left, right.dtype)
    while left.shape.rank < right.shape.rank:
        left = left[..., tf.newaxis]
    while right.shape.rank < left.shape.rank:
        right = right[..., tf.newaxis]
    return left * right
