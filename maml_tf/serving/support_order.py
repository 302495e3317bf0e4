"""One order of classes and examples, whatever order a request gives them in.

A head numbers its classes, and sums run in the order of their terms: without an order
of our own a bot's answers would depend on which example happened to come first.
"""

import tensorflow as tf

# So many bytes make one whole number below 2^63, with which strings are compared.
WORD = 7
MOST_BUCKETS = 2**62


def sorted_classes(labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The classes of labels in the order of their UTF-8 bytes, as Python sorts them.

    Args:
        labels: strings `[examples]`.

    Returns:
        The class names `[classes]`, and the number of each label `[examples]`.

    Example:

    >>> names, numbers = sorted_classes(tf.constant(["no", "yes", "maybe", "no"]))
    >>> names.numpy().tolist(), numbers.numpy().tolist()
    ([b'maybe', b'no', b'yes'], [1, 2, 0, 1])
    """
    names, numbers = tf.unique(labels)
    order = argsort_strings(names)
    return tf.gather(names, order), tf.gather(
        tf.math.invert_permutation(order), numbers
    )


def argsort_strings(strings: tf.Tensor) -> tf.Tensor:
    """The places of `strings` `[any]` in the order of their bytes.

    TensorFlow compares no strings, so they are sorted as numbers, word by word from
    the last to the first.

    Example:

    >>> argsort_strings(tf.constant(["b", "a longer one", "", "a long"])).numpy()
    array([2, 3, 1, 0], dtype=int32)
    """
    lengths = tf.strings.length(strings)
    words = (tf.reduce_max(tf.concat([[1], lengths], 0)) + WORD - 1) // WORD
    letters = tf.io.decode_raw(strings, tf.uint8, fixed_length=words * WORD)
    places = tf.constant([256**power for power in reversed(range(WORD))], tf.int64)
    letters = tf.reshape(tf.cast(letters, tf.int64), [-1, words, WORD])
    keys = tf.reduce_sum(letters * places, -1)

    def by_word(word: tf.Tensor, order: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        column = tf.gather(keys[:, word], order)
        return word - 1, tf.gather(order, tf.argsort(column, stable=True))

    # Zeros fill up the shorter string, so a string that ends in zeros is told from it
    # by its length alone.
    by_length = tf.argsort(lengths, stable=True)
    return tf.while_loop(lambda word, _: word >= 0, by_word, (words - 1, by_length))[1]


def order_of_examples(texts: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """The places of the examples in an order that depends on what they are alone.

    It mixes the classes, as an inner loop that takes the examples in batches needs.

    Args:
        texts, labels: strings `[examples]`.
    """
    pairs = tf.strings.join([texts, labels], "\0")
    return tf.argsort(tf.strings.to_hash_bucket_fast(pairs, MOST_BUCKETS), stable=True)
