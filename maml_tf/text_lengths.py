"""Texts are padded to a common length: how to pad them to no more than they need."""

from collections.abc import Iterator, Mapping
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
