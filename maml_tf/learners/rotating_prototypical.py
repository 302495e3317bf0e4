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
            that is trained on, shots + queries.
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
        self, base_learner: keras.Model, *, examples_per_class: int = 4, **kwargs: Any
    ) -> None:
        if examples_per_class < 2:
            raise ValueError(
                f"examples_per_class={examples_per_class} leaves no query beside the "
                "support; give 2 or more."
            )
        self.examples_per_class = examples_per_class
        super().__init__(base_learner, **kwargs)

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

    def rotated_loss(self, vectors: tf.Tensor) -> tf.Tensor:
        """Mean cross-entropy, a scalar, of vectors `[tasks, ways, n, dim]`."""
        logits = self.rotated_logits(vectors)
        ways, n = logits.shape[-1] or tf.shape(logits)[-1], self.examples_per_class
        targets = tf.broadcast_to(tf.range(ways)[:, tf.newaxis], tf.shape(logits)[:-1])
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        # An example is no query of the episode in which it is the support.
        others = 1 - tf.eye(n, dtype=losses.dtype)[:, tf.newaxis]
        return tf.reduce_mean(losses * others) * n / (n - 1)

    def compute_meta_gradients(self, x, y, sample_weight):
        support_labels = tf.cast(x["support_targets"], y.dtype)
        labels = tf.concat([support_labels, y], axis=1)
        inputs = tf.nest.map_structure(
            lambda s, q: tf.concat([s, q], axis=1),
            x["support_inputs"],
            x["query_inputs"],
        )
        order = tf.argsort(labels, axis=1, stable=True)
        with tf.GradientTape() as tape:
            vectors = self.embed(inputs, training=True)
            by_class = tf.gather(vectors, order, batch_dims=1)
            tasks, dim = tf.shape(vectors)[0], vectors.shape[-1]
            shape = (tasks, -1, self.examples_per_class, dim)
            loss = self.rotated_loss(tf.reshape(by_class, shape))
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, self.trainable_variables)
        predictions = self._nearest(vectors, support_labels)
        return loss, predictions, gradients

    def _nearest(self, vectors: tf.Tensor, support_labels: tf.Tensor) -> tf.Tensor:
        """What the queries are taken for, for the metrics of training alone."""
        shots = tf.shape(support_labels)[1]
        support, query = vectors[:, :shots], vectors[:, shots:]
        order = tf.argsort(support_labels, axis=1, stable=True)
        support = tf.gather(support, order, batch_dims=1)
        ways = tf.shape(vectors)[1] // self.examples_per_class
        grouped = tf.reshape(
            support, (tf.shape(vectors)[0], ways, -1, vectors.shape[-1])
        )
        means = tf.reduce_mean(grouped, axis=2)
        squares = tf.reduce_sum(tf.square(means), -1)[:, tf.newaxis]
        return 2 * tf.matmul(query, means, transpose_b=True) - squares

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "examples_per_class": self.examples_per_class}
