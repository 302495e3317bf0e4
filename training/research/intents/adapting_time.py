"""How long it takes from strings to prototypes."""

import functools
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from maml_tf.base_learners import TextEncoder

# Texts at once; a five-way five-shot support set is one batch.
BATCH = 32


def tokens_of(encoder: TextEncoder, texts: list[str]) -> dict[str, tf.Tensor]:
    """Token tensors, cropped to the longest of these texts."""
    tokens = encoder.preprocessor(texts)
    counts = tf.reduce_sum(tf.cast(tokens["padding_mask"], tf.int32), axis=1)
    return {k: v[:, : tf.reduce_max(counts)] for k, v in tokens.items()}


def embed_texts(encoder: TextEncoder, texts: list[str]) -> np.ndarray:
    """The encoder's vectors `[texts, dim]` of strings.

    Many texts go through it in batches of about equal lengths: one batch of all would
    be padded to the longest, and too large for a processor's cache.
    """
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    parts = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
    encode = _graph_of(encoder)
    pieces = [encode(tokens_of(encoder, [texts[i] for i in part])) for part in parts]
    vectors = np.concatenate(pieces)
    return vectors[np.argsort(order)]


@functools.cache
def _graph_of(encoder: TextEncoder) -> Callable:
    """The encoder as one graph for any number of texts of any length."""
    spec = {
        k: tf.TensorSpec((None, None), v.dtype)
        for k, v in tokens_of(encoder, ["a"]).items()
    }
    return tf.function(encoder.call, autograph=False, input_signature=[spec])


def adapt_milliseconds(
    encoder: TextEncoder,
    texts: list[str],
    shots: int,
    ways: int = 5,
    repeats: int = 7,
) -> float:
    """Median time from `ways * shots` strings to prototypes, in milliseconds.

    Args:
        encoder: from tokens to vectors.
        texts: to choose from at random.
        shots, ways: of the task.
        repeats: that are timed, after two that are not.
    """
    random, times = np.random.default_rng(0), []
    for _ in range(repeats + 2):
        chosen = [texts[i] for i in random.choice(len(texts), ways * shots)]
        start = time.perf_counter()
        embed_texts(encoder, chosen).reshape(ways, shots, -1).mean(axis=1)
        times.append(time.perf_counter() - start)
    return float(1000 * np.median(times[2:]))
