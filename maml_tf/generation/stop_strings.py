"""Where a text ends because of what is written in it."""

import tensorflow as tf


def before_stops(texts: tf.Tensor, stops: tf.Tensor) -> tf.Tensor:
    """What stands before the first of the stop strings in each text.

    Args:
        texts: [texts].
        stops: [stops], of which empty ones stop nothing.

    Returns:
        [texts], those without a stop string unchanged.

    Example:

    >>> before_stops(tf.constant(["a\\nb", "c"]), tf.constant(["\\n", ""])).numpy()
    array([b'a', b'c'], dtype=object)
    """

    def cut(place: tf.Tensor, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        stop = stops[place]
        # An empty separator would split at white space.
        return place + 1, tf.cond(
            stop == "", lambda: texts, lambda: _before(texts, stop)
        )

    _, texts = tf.while_loop(
        lambda place, _: place < tf.size(stops),
        cut,
        (tf.constant(0), texts),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
    )
    return texts


def _before(texts: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
    parts = tf.strings.split(texts, stop, maxsplit=1)
    return parts[:, :1].to_tensor("", shape=[None, 1])[:, 0]
