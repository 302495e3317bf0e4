"""How likely a causal language model finds each token of a text, and the loss of it.

The scores of all words for all tokens are the largest tensor of a language model: for
49,152 words and 400 tokens they take 79 MB, several times over where gradients are
wanted. Here they are made for a part of the vocabulary at a time and never kept.
"""

from typing import Any

import keras
import tensorflow as tf

# At most this many words are scored at a time.
_WORDS_AT_A_TIME = 8192


def next_token_log_likelihoods(
    hidden: tf.Tensor,
    words: tf.Tensor,
    token_ids: tf.Tensor,
    places: tf.Tensor | None = None,
) -> tf.Tensor:
    """The logarithm of the probability of each token after those before it.

    Differentiable to any order by `hidden` and `words`.

    Args:
        hidden: the last hidden states `[..., length, width]`.
        words: the vector of each word in the output layer `[vocabulary, width]`.
        token_ids: the tokens of the texts, whole numbers `[..., length]`.
        places: which tokens of each text are asked for `[..., asked]`, none of them
            the first; all if None. The output layer is most of the work of a small
            model, and is left out for all others.

    Returns:
        `[..., length]`; the first token of a text has nothing before it and gets 0.
        With places `[..., asked]`.

    Example:

    >>> words = tf.constant([[0.0], [0.0], [9.0]])
    >>> hidden = tf.constant([[[1.0], [0.0], [5.0]]])
    >>> ids = tf.constant([[0, 2, 1]])
    >>> next_token_log_likelihoods(hidden, words, ids).numpy().round(1) + 0.0
    array([[ 0. ,  0. , -1.1]], dtype=float32)
    >>> asked = tf.constant([[2]])
    >>> next_token_log_likelihoods(hidden, words, ids, asked).numpy().round(1)
    array([[-1.1]], dtype=float32)
    """
    if places is None:
        found = word_log_likelihoods(hidden[..., :-1, :], words, token_ids[..., 1:])
        return tf.pad(found, [[0, 0]] * (found.shape.rank - 1) + [[1, 0]])
    axis = token_ids.shape.rank - 1
    before = tf.gather(hidden, places - 1, axis=axis, batch_dims=axis)
    after = tf.gather(token_ids, places, axis=axis, batch_dims=axis)
    return word_log_likelihoods(before, words, after)


def word_log_likelihoods(
    hidden: tf.Tensor, words: tf.Tensor, chosen: tf.Tensor
) -> tf.Tensor:
    """The logarithm of the probability of a word after each hidden state.

    Args:
        hidden: the last hidden states `[..., width]`.
        words: the vector of each word in the output layer `[vocabulary, width]`.
        chosen: which word, whole numbers `[...]`.

    Returns:
        `[...]`.
    """
    scores = tf.reduce_sum(hidden * tf.gather(words, chosen), axis=-1)
    rows = tf.reshape(hidden, [-1, hidden.shape[-1]])
    return scores - tf.reshape(_log_sum_over_words(rows, words), tf.shape(scores))


@tf.custom_gradient
def _log_sum_over_words(hidden: tf.Tensor, words: tf.Tensor) -> Any:
    """`log(sum(exp(row · word)))` over the words, for each row `[rows, width]`."""
    largest = tf.fill(tf.shape(hidden)[:-1], hidden.dtype.min)
    total = tf.zeros_like(largest)
    for part in _parts(words):
        scores = tf.matmul(hidden, part, transpose_b=True)
        new = tf.maximum(largest, tf.reduce_max(scores, axis=-1))
        total *= tf.exp(largest - new)
        total += tf.reduce_sum(tf.exp(scores - new[..., tf.newaxis]), axis=-1)
        largest = new
    result = largest + tf.math.log(total)

    def backward(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # Anew, and not the result above, which has no derivatives of its own here.
        normaliser = _log_sum_over_words(hidden, words)[..., tf.newaxis]
        by_hidden = tf.zeros_like(hidden)
        by_words = []
        for part in _parts(words):
            scores = tf.matmul(hidden, part, transpose_b=True)
            shares = tf.exp(scores - normaliser) * upstream[..., tf.newaxis]
            by_hidden += tf.matmul(shares, part)
            by_words.append(tf.matmul(shares, hidden, transpose_a=True))
        return by_hidden, tf.concat(by_words, axis=0)

    return result, backward


def _parts(words: tf.Tensor) -> list[tf.Tensor]:
    count = words.shape[0]
    return [
        words[first : first + _WORDS_AT_A_TIME]
        for first in range(0, count, _WORDS_AT_A_TIME)
    ]


@keras.saving.register_keras_serializable(package="maml_tf")
class NextTokenLoss(keras.losses.Loss):
    """The mean of `-log p` of the tokens that are to be learned.

    Targets are weights of the tokens `[texts, length]`, 1 for those that are learned
    and 0 for the others (the other speaker's, padding); predictions are what a causal
    language model of this package gives, `[texts, length]`. Every text counts the
    same, however long it is; a text without a token to learn counts 0.

    Example:

    >>> loss = NextTokenLoss()
    >>> float(loss([[0.0, 1.0, 1.0]], [[-9.0, -1.0, -3.0]]))
    2.0
    """

    def __init__(self, name: str = "next_token", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        y_pred = keras.ops.convert_to_tensor(y_pred)
        weights = keras.ops.cast(y_true, y_pred.dtype)
        total = tf.reduce_sum(weights * y_pred, axis=-1)
        return -total / tf.maximum(tf.reduce_sum(weights, axis=-1), 1)
