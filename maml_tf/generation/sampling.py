"""The next token from a model's scores: the likeliest, or one drawn with a seed."""

from typing import Any, NamedTuple

import tensorflow as tf


class Sampling(NamedTuple):
    """How tokens are chosen. Numbers or scalar tensors, so one graph serves them all.

    Attributes:
        temperature: 0 for the likeliest token; else what scores are divided by.
        top_k: draw from so many of the likeliest tokens; 0 for all.
        top_p: draw from the fewest of the likeliest tokens whose probabilities reach
            this sum; 1 for all.
        seed: the same seed, model and prompt give the same text, alone or in a batch.
    """

    temperature: Any = 0.0
    top_k: Any = 0
    top_p: Any = 1.0
    seed: Any = 0


def choose_tokens(logits: tf.Tensor, sampling: Sampling, position: Any) -> tf.Tensor:
    """Chooses a token for each text.

    Args:
        logits: scores [texts, vocabulary].
        sampling: how.
        position: the place of the token in its text, so that each has noise of its own.

    Returns:
        int32 ids [texts].

    Example:

    >>> logits = tf.constant([[1.0, 3.0, 2.0]])
    >>> choose_tokens(logits, Sampling(), 0).numpy().tolist()
    [1]
    >>> only = Sampling(temperature=5.0, top_k=1, seed=3)
    >>> choose_tokens(logits, only, 0).numpy().tolist()
    [1]
    """
    logits = tf.cast(logits, tf.float32)
    temperature = tf.cast(sampling.temperature, tf.float32)

    def draw() -> tf.Tensor:
        scores = _without_unlikely(logits / temperature, sampling)
        # The same noise for every text: a text does not depend on its neighbours.
        noise = tf.random.stateless_uniform(
            tf.shape(logits)[-1:],
            [tf.cast(sampling.seed, tf.int32), tf.cast(position, tf.int32)],
            minval=1e-20,
            alg="philox",
        )
        return _largest(scores - tf.math.log(-tf.math.log(noise)))

    return tf.cond(temperature > 0, draw, lambda: _largest(logits))


def _largest(scores: tf.Tensor) -> tf.Tensor:
    return tf.argmax(scores, axis=-1, output_type=tf.int32)


def _without_unlikely(scores: tf.Tensor, sampling: Sampling) -> tf.Tensor:
    """The scores, minus infinity where `top_k` or `top_p` leave a token out."""
    top_k = tf.cast(sampling.top_k, tf.int32)
    top_p = tf.cast(sampling.top_p, tf.float32)

    def cut() -> tf.Tensor:
        falling = tf.sort(scores, direction="DESCENDING")
        vocabulary = tf.shape(scores)[-1]
        kept = tf.where(top_k > 0, tf.minimum(top_k, vocabulary), vocabulary)
        among = tf.range(vocabulary) < kept
        shares = tf.nn.softmax(tf.where(among, falling, falling.dtype.min))
        before = tf.cumsum(shares, axis=-1, exclusive=True)
        # The first token stays whatever top_p is.
        stays = among & ((before < top_p) | (tf.range(vocabulary) == 0))
        least = tf.reduce_min(tf.where(stays, falling, falling.dtype.max), -1)
        return tf.where(scores < least[:, tf.newaxis], -float("inf"), scores)

    # Sorting the vocabulary costs a good part of a small model's step.
    return tf.cond((top_k > 0) | (top_p < 1), cut, lambda: scores)
