"""Predictions for one query at a time, where queries would help each other."""

from typing import Any

import tensorflow as tf

from maml_tf.learners import MetaLearner


def predict_without_transduction(
    learner: MetaLearner, x: dict[str, Any], **adapt_options: Any
) -> tf.Tensor:
    """Query predictions that no other query has a part in.

    A base learner that normalises by the current batch lets the queries of a task see
    each other, which is transduction. Here each query is run together with the support
    set alone, as Reptile's evaluation does (arXiv 1803.02999, section 6.1).

    Args:
        learner: any learner whose base learner takes tensors.
        x: a batch of tasks; see `MetaLearner`.
        **adapt_options: for the learner's `adapt`, such as `steps`.

    Returns:
        Predictions `[tasks, query, ...]`.

    Example:

    >>> import keras
    >>> from maml_tf import MAML
    >>> learner = MAML(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]))
    >>> x = {"support_inputs": tf.ones((3, 4, 2)),
    ...      "support_targets": tf.constant([[0, 1, 0, 1]] * 3),
    ...      "query_inputs": tf.ones((3, 5, 2))}
    >>> predict_without_transduction(learner, x).shape
    TensorShape([3, 5, 2])
    """
    support = tf.convert_to_tensor(x["support_inputs"])
    queries = tf.convert_to_tensor(x["query_inputs"])
    fast = learner.adapt(support, x["support_targets"], **adapt_options)

    def predict(place: tf.Tensor | int) -> tf.Tensor:
        inputs = tf.concat([support, queries[:, place, tf.newaxis]], axis=1)
        return learner.predict_adapted(fast, inputs)[:, -1]

    # A loop, for a hundred queries traced one by one would take minutes to start.
    first = predict(0)
    rest = tf.range(1, tf.shape(queries)[1])
    others = tf.map_fn(predict, rest, fn_output_signature=first.dtype)
    predictions = tf.concat([first[tf.newaxis], others], axis=0)
    return tf.einsum("qt...->tq...", predictions)
