"""Examples of several texts as rows of texts, which is what a backbone reads, and back.

Token numbers `[..., length]` say which axes come before those of a text.
"""

from typing import Any

import tensorflow as tf


def as_rows(tensors: Any, token_ids: tf.Tensor) -> Any:
    """The tensors `[..., *rest]` of a nest as `[texts, *rest]`.

    Example:

    >>> as_rows(tf.ones((4, 2, 7, 3)), tf.ones((4, 2, 7))).shape
    TensorShape([8, 7, 3])
    """
    axes = token_ids.shape.rank - 1
    if axes == 1:
        return tensors

    def merged(tensor: tf.Tensor) -> tf.Tensor:
        rest = _sizes(tensor)[axes:]
        return tf.reshape(tensor, [-1, *rest])

    return tf.nest.map_structure(merged, tensors)


def as_examples(tensors: Any, token_ids: tf.Tensor) -> Any:
    """The tensors `[texts, *rest]` of a nest as `[..., *rest]`.

    Example:

    >>> as_examples(tf.ones((8, 7, 3)), tf.ones((4, 2, 7))).shape
    TensorShape([4, 2, 7, 3])
    """
    axes = token_ids.shape.rank - 1
    if axes == 1:
        return tensors
    first = _sizes(token_ids)[:axes]

    def parted(tensor: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tensor, [*first, *_sizes(tensor)[1:]])

    return tf.nest.map_structure(parted, tensors)


def _sizes(tensor: tf.Tensor) -> list[Any]:
    """The sizes of the axes, as integers where they are known."""
    dynamic = tf.shape(tensor)
    return [
        dynamic[axis] if size is None else size
        for axis, size in enumerate(tensor.shape)
    ]
