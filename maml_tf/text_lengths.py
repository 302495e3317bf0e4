"""Texts are padded to a common length: how to pad them to no more than they need."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

LENGTH_BUCKETS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512)


def bucket_for(longest: int, buckets: tuple[int, ...] = LENGTH_BUCKETS) -> int:
    """The smallest bucket that holds a text of so many tokens, or its own length.

    Few lengths are few shapes, each of which XLA compiles once.

    Example:

    >>> bucket_for(9), bucket_for(600)
    (12, 600)
    """
    return min((b for b in buckets if b >= longest), default=longest)


def crop_to_longest(tokens: Mapping[str, Any]) -> dict[str, Any]:
    """Token tensors without the columns that are padding in every text.

    Args:
        tokens: integer tensors `[texts, length]`, `padding_mask` among them; ones
            without a mask come back as they are.

    Example:

    >>> tokens = {"token_ids": tf.constant([[7, 8, 0], [9, 0, 0]]),
    ...           "padding_mask": tf.constant([[1, 1, 0], [1, 0, 0]])}
    >>> crop_to_longest(tokens)["token_ids"].numpy().tolist()
    [[7, 8], [9, 0]]
    """
    if "padding_mask" not in tokens:
        return dict(tokens)
    lengths = tf.reduce_sum(tf.cast(tokens["padding_mask"], tf.int32), axis=1)
    # No text at all has a longest one of no tokens.
    longest = tf.reduce_max(tf.concat([[0], lengths], 0))
    return {name: tensor[:, :longest] for name, tensor in tokens.items()}


def batches_of_like_length(
    lengths: np.ndarray, batch_size: int
) -> Iterator[np.ndarray]:
    """Yields the numbers of texts, `batch_size` at a time, short ones together.

    Example:

    >>> [rows.tolist() for rows in batches_of_like_length(np.array([9, 2, 5]), 2)]
    [[1, 2], [0]]
    """
    order = np.argsort(lengths, kind="stable")
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def encode_by_length(
    encode: Callable[[dict[str, Any]], tf.Tensor],
    tokens: Mapping[str, Any],
    batch_size: int = 32,
) -> tf.Tensor:
    """Encodes texts short ones together, each batch cropped to its longest; in a graph.

    One batch of all would be padded to the longest, and too large for a processor's
    cache. This is `batches_of_like_length` where a graph has no Python to run it.

    Args:
        encode: from token tensors to vectors `[batch, dim]`.
        tokens: integer tensors `[texts, length]`, `padding_mask` among them; ones
            without a mask are encoded all at once.
        batch_size: texts at a time.

    Returns:
        Vectors `[texts, dim]` in the order of the texts.

    Example:

    >>> tokens = {"token_ids": tf.constant([[7, 8, 0], [9, 0, 0]]),
    ...           "padding_mask": tf.constant([[1, 1, 0], [1, 0, 0]])}
    >>> encode_by_length(lambda t: tf.cast(t["token_ids"][:, :1], tf.float32),
    ...                  tokens, batch_size=1).numpy().tolist()
    [[7.0], [9.0]]
    """
    if "padding_mask" not in tokens:
        return encode(dict(tokens))
    lengths = tf.reduce_sum(tf.cast(tokens["padding_mask"], tf.int32), axis=1)
    order = tf.argsort(lengths, stable=True)
    texts = tf.size(order)
    batches = (texts + batch_size - 1) // batch_size
    width: list[int | None] = []  # which a loop forgets

    def encode_one(number: tf.Tensor, found: tf.TensorArray) -> tuple[Any, ...]:
        rows = order[number * batch_size : (number + 1) * batch_size]
        batch = {name: tf.gather(tensor, rows) for name, tensor in tokens.items()}
        vectors = encode(crop_to_longest(batch))
        width.extend(vectors.shape[1:])
        return number + 1, found.write(number, vectors)

    # Without a batch there would be no vectors to tell how wide one is.
    some = tf.maximum(batches, 1)
    empty = tf.TensorArray(tf.float32, some, infer_shape=False, element_shape=None)
    _, found = tf.while_loop(
        lambda number, _: number < some, encode_one, (0, empty), parallel_iterations=1
    )
    vectors = tf.gather(found.concat(), tf.math.invert_permutation(order))
    return tf.ensure_shape(vectors, [None, width[0]])
