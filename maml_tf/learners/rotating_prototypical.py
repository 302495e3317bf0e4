"""Prototypical networks trained with every example in turn as the support."""

from typing import Any

import keras
import tensorflow as tf

from maml_tf.learners.prototypical import PrototypicalNetwork

REGISTERED = {
    "rotating_prototypical": {
        "class_name": "RotatingPrototypicalNetwork",
        "summary": "every example in turn is its class's support: n one-shot episodes "
        "for the encoder passes of one",
        "paper": "close to arXiv 2004.11362",
        "base_learner": "encoder",
        "takes": (),
    },
}


@keras.saving.register_keras_serializable(package="maml_tf")
class RotatingPrototypicalNetwork(PrototypicalNetwork):
    """A prototypical network that learns from n one-shot episodes for the price of one.

    Encoding texts is what costs. A batch with n examples of each class holds n
    one-shot episodes: each example of a class may be its support, with the others as
    queries. All of them are trained on at once, so a gradient has n times as many
    terms for the same encoder passes. Support and query of the episode are taken
    together for that; adapting, evaluating and predicting are the parent's.

    It is close to a supervised contrastive loss (Khosla et al. 2020, arXiv
    2004.11362); what is kept from the episodes is that a query competes with one
    example of each class, as in the test.

    Args:
        base_learner: a Keras model from inputs to vectors `[batch, dim]`.
        examples_per_class: support and query examples of each class in an episode
            that is trained on, shots + queries, the same for all classes. None takes
            it from the labels of each batch, which XLA can only with `max_ways`.
        kwargs: see `PrototypicalNetwork`.

    Example:

    >>> network = RotatingPrototypicalNetwork(
    ...     keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]),
    ...     examples_per_class=3)
    >>> x = {"support_inputs": tf.eye(2)[None], "support_targets": [[0, 1]],
    ...      "query_inputs": tf.ones((1, 4, 2))}
    >>> vectors = tf.reshape(tf.range(12.0), (1, 2, 3, 2))
    >>> network.build_from_episode(x)
    >>> network.rotated_logits(vectors).shape  # a support, a class, its queries, ways
    TensorShape([1, 3, 2, 3, 2])
    """

    def __init__(
        self,
        base_learner: keras.Model,
        *,
        examples_per_class: int | None = None,
        **kwargs: Any,
    ) -> None:
        if examples_per_class is not None and examples_per_class < 2:
            raise ValueError(
                f"examples_per_class={examples_per_class} leaves no query beside the "
                "support; give 2 or more."
            )
        super().__init__(base_learner, **kwargs)
        self.examples_per_class = examples_per_class

    def rotated_logits(self, vectors: tf.Tensor) -> tf.Tensor:
        """Logits `[tasks, n, ways, n, ways]` of vectors `[tasks, ways, n, dim]`.

        Entry `[t, j, c, i, k]` scores example i of class c against example j of k.
        """
        products = tf.einsum("tcid,tkjd->tjcik", vectors, vectors)
        lengths = tf.reduce_sum(tf.square(vectors), -1)
        distance = (
            lengths[:, None, :, :, None]
            - 2 * products
            + tf.transpose(lengths, (0, 2, 1))[:, :, None, None, :]
        )
        return -tf.exp(self.log_scale.value) * distance

    def query_losses(
        self, x: Any, y: Any, sample_weight: Any, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        if not training:
            return super().query_losses(x, y, sample_weight, training)
        support_labels = tf.cast(x["support_targets"], tf.int32)
        query_labels = tf.cast(tf.reshape(y, tf.shape(y)[:2]), tf.int32)
        labels = tf.concat([support_labels, query_labels], axis=1)
        inputs = tf.nest.map_structure(
            lambda s, q: tf.concat([s, q], axis=1),
            x["support_inputs"],
            x["query_inputs"],
        )
        vectors = self.embed(inputs, training=True)
        order = tf.argsort(labels, axis=1, stable=True)
        tasks, ways, n = self._sizes(labels)
        by_class = tf.reshape(
            tf.gather(vectors, order, batch_dims=1),
            (tasks, ways, n, vectors.shape[-1]),
        )
        logits = self.rotated_logits(by_class)
        targets = tf.broadcast_to(tf.range(ways)[:, tf.newaxis], (tasks, n, ways, n))
        # An example is no query of the episode in which it is the support.
        size = tf.cast(n, logits.dtype)
        weights = (1 - tf.eye(n, dtype=logits.dtype)) * size / (size - 1)
        weights = tf.broadcast_to(weights[:, tf.newaxis], (tasks, n, ways, n))
        if sample_weight is not None:
            each = self._weights_of_all(query_labels, sample_weight, ways, n)
            weights *= tf.cast(each, weights.dtype)[:, tf.newaxis]
        losses = self.compiled_losses(
            x,
            tf.reshape(targets, (tasks, -1)),
            tf.reshape(logits, (tasks, n * ways * n, ways)),
            tf.reshape(weights, (tasks, -1)),
            training,
        )
        return losses, self._nearest(vectors, support_labels, ways)

    def _sizes(self, labels: tf.Tensor) -> tuple[Any, Any, Any]:
        """Tasks, ways and examples of a class, as numbers where they are known."""
        tasks = labels.shape[0] or tf.shape(labels)[0]
        examples = labels.shape[1] or tf.shape(labels)[1]
        if self.examples_per_class is not None:
            return tasks, examples // self.examples_per_class, self.examples_per_class
        ways = self.max_ways or tf.reduce_max(labels) + 1
        return tasks, ways, examples // ways

    def _weights_of_all(
        self, query_labels: tf.Tensor, sample_weight: Any, ways: Any, n: Any
    ) -> tf.Tensor:
        """A weight `[tasks, ways, n]` for every example, by class.

        Weights are given for queries. A support example, a query of the other turns,
        counts as its class's queries do in the mean.
        """
        weights = tf.convert_to_tensor(sample_weight)
        if weights.shape.rank == 1:
            weights = weights[:, tf.newaxis]
        weights = tf.broadcast_to(
            tf.reshape(weights, tf.shape(weights)[:2]), tf.shape(query_labels)
        )
        order = tf.argsort(query_labels, axis=1, stable=True)
        tasks = tf.shape(weights)[0]
        of_queries = tf.reshape(
            tf.gather(weights, order, batch_dims=1), (tasks, ways, -1)
        )
        mean = tf.reduce_mean(of_queries, axis=-1, keepdims=True)
        shots = n - tf.shape(of_queries)[-1]
        return tf.concat([tf.repeat(mean, shots, axis=-1), of_queries], axis=-1)

    def _nearest(
        self, vectors: tf.Tensor, support_labels: tf.Tensor, ways: Any
    ) -> tf.Tensor:
        """What the queries are taken for, for the metrics of training alone."""
        shots = tf.shape(support_labels)[1]
        support, query = vectors[:, :shots], vectors[:, shots:]
        order = tf.argsort(support_labels, axis=1, stable=True)
        support = tf.gather(support, order, batch_dims=1)
        grouped = tf.reshape(
            support, (tf.shape(vectors)[0], ways, -1, vectors.shape[-1])
        )
        means = tf.reduce_mean(grouped, axis=2)
        squares = tf.reduce_sum(tf.square(means), -1)[:, tf.newaxis]
        return 2 * tf.matmul(query, means, transpose_b=True) - squares

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "examples_per_class": self.examples_per_class}
