"""Writing into a part of a tensor by plain operations, where Keras' own needs XLA.

Keras' `slice_update` is an operation of XLA's: outside a function that XLA compiles, it
is compiled by itself, once for each size that it meets, and a server without XLA has
none. A cache is as long as its text, so that its sizes are many.
"""

from contextlib import AbstractContextManager
from typing import Any

import tensorflow as tf

# `keras.ops.slice_update` looks it up here; the tests guard this import.
from keras.src.backend.tensorflow import core

from maml_tf.inner_loop.shared_patch import shared_patch

_original = core.dynamic_update_slice


def update_places(
    inputs: tf.Tensor, updates: tf.Tensor, start_indices: Any
) -> tf.Tensor:
    """The inputs with other values from a place on the second axis on.

    Args:
        inputs: `[texts, places, ...]`.
        updates: `[texts, fewer places, ...]`.
        start_indices: one number an axis, 0 but for the second.

    Example:

    >>> update_places(tf.zeros([1, 4]), tf.ones([1, 2]), [0, 1]).numpy().tolist()
    [[0.0, 1.0, 1.0, 0.0]]
    """
    inputs = tf.convert_to_tensor(inputs)
    updates = tf.convert_to_tensor(updates, inputs.dtype)
    if not _is_along_places(inputs, updates, start_indices):
        return _original(inputs, updates, start_indices)
    place = start_indices[1]
    behind = place + tf.shape(updates)[1]
    parts = [inputs[:, :place], updates, inputs[:, behind:]]
    return tf.ensure_shape(tf.concat(parts, 1), inputs.shape)


def _is_along_places(inputs: tf.Tensor, updates: tf.Tensor, start: Any) -> bool:
    """Whether all axes but the second are written from end to end, as is known here."""
    sizes = zip(inputs.shape.as_list(), updates.shape.as_list(), start, strict=True)
    return len(start) > 1 and all(
        axis == 1 or (mine == theirs and isinstance(first, int) and first == 0)
        for axis, (mine, theirs, first) in enumerate(sizes)
    )


def plain_slices() -> AbstractContextManager[None]:
    """Lets what Keras-NLP writes into caches inside be written by `update_places`.

    Values are the same, so that threads outside may meet it too.
    """
    return shared_patch(core, "dynamic_update_slice", update_places)
