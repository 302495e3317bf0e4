"""Prototypical networks: a class is the mean of its examples' embeddings."""

import math
from typing import Any

import keras
import tensorflow as tf

from maml_tf.arguments import positive, whole
from maml_tf.inner_loop.update_rules.update_rule import start_at
from maml_tf.learners.embedding_learner import EmbeddingLearner
from maml_tf.learners.episode_checks import check_structure

ABSENT = -1e9

REGISTERED = {
    "prototypical": {
        "class_name": "PrototypicalNetwork",
        "summary": "nearest class mean; soft k-means over unlabelled examples with "
        "`refinement_steps`",
        "paper": "arXiv 1703.05175, 1803.00676",
        "base_learner": "encoder",
        "takes": (),
    },
}


@keras.saving.register_keras_serializable(package="maml_tf")
class PrototypicalNetwork(EmbeddingLearner):
    """Prototypical networks (Snell et al. 2017, arXiv 1703.05175).

    Adaptation is a mean: the fast weights are `prototypes` `[tasks, ways, dim]` and
    `present` `[tasks, ways]`. Predictions are logits, minus the scaled distance.

    Args:
        base_learner: a Keras model from inputs to vectors `[batch, dim]`.
        distance: `"squared_euclidean"` or `"cosine"`.
        scale: starting factor on minus the distance; its logarithm is learned.
        max_ways: the width of the class axis. None takes it from the labels of each
            batch, which XLA cannot; with a number, classes that are absent get a logit
            of -1e9 and `jit_compile=True` works.
        refinement_steps: how often to refine the prototypes by soft k-means over
            unlabelled examples, the task's `x["unlabelled_inputs"]` `[tasks,
            unlabelled, ...]` where it has any (Ren et al. 2018, arXiv 1803.00676). Zero
            ignores them. The queries stay out of it.
        transductive: refine with the queries themselves as the unlabelled examples.
            Predictions for a query then depend on the other queries of its task.

    Raises:
        ValueError: if an option is out of its range.

    Example:

    >>> network = PrototypicalNetwork(keras.Sequential([keras.Input((2,)),
    ...                                                 keras.layers.Dense(3)]))
    >>> fast = network.adapt(tf.ones((1, 4, 2)), tf.constant([[0, 1, 2, 2]]))
    >>> fast["prototypes"].shape
    TensorShape([1, 3, 3])
    """

    def __init__(
        self,
        base_learner: keras.Model,
        *,
        distance: str = "squared_euclidean",
        scale: float = 1.0,
        max_ways: int | None = None,
        refinement_steps: int = 0,
        transductive: bool = False,
        **kwargs: Any,
    ) -> None:
        if distance not in ("squared_euclidean", "cosine"):
            raise ValueError(
                f"distance={distance!r} is not known; give squared_euclidean or cosine."
            )
        whole("refinement_steps", refinement_steps, least=0)
        if transductive and not refinement_steps:
            raise ValueError(
                "transductive=True refines prototypes with the queries, so it needs "
                "refinement_steps of 1 or more."
            )
        super().__init__(base_learner, max_ways=max_ways, **kwargs)
        self.distance = distance
        self.scale = positive("scale", scale)
        self.refinement_steps = int(refinement_steps)
        self.transductive = bool(transductive)

    def prepare(self) -> None:
        super().prepare()
        self.log_scale = self.add_weight(
            shape=(),
            name="log_scale",
            initializer=start_at(math.log(self.scale)),
        )

    def over_features(self) -> tuple[keras.Model, "PrototypicalNetwork"]:
        config = {k: v for k, v in self.get_config().items() if k != "base_learner"}
        as_they_are = keras.Sequential([keras.Input((None,)), keras.layers.Identity()])
        network = type(self)(as_they_are, **config)
        network.log_scale.assign(self.log_scale)
        return self.base_learner, network

    def embed(self, inputs: Any, training: bool = False) -> tf.Tensor:
        vectors = super().embed(inputs, training)
        return (
            vectors if self.distance != "cosine" else tf.math.l2_normalize(vectors, -1)
        )

    def call(self, x: dict[str, Any], training: bool = False) -> tf.Tensor:
        check_structure(x)
        unlabelled = x.get("unlabelled_inputs") if self.refinement_steps else None
        if self.transductive:
            unlabelled = x["query_inputs"]
        fast = self.adapt(
            x["support_inputs"],
            x["support_targets"],
            training=training,
            unlabelled_inputs=unlabelled,
        )
        return self.predict_adapted(fast, x["query_inputs"], training=training)

    def adapt(
        self,
        support_inputs: Any,
        support_targets: Any,
        training: bool = False,
        unlabelled_inputs: Any = None,
    ) -> dict[str, tf.Tensor]:
        """The prototypes of the support set.

        Args:
            support_inputs: a nest of tensors `[tasks, support, ...]`.
            support_targets: int `[tasks, support]`.
            training: whether the encoder runs in training mode.
            unlabelled_inputs: `[tasks, unlabelled, ...]`, examples of the same classes
                that move the prototypes where `refinement_steps` is not zero.
        """
        self.check_support(support_inputs, support_targets)
        vectors = self.embed(support_inputs, training)
        members = self.memberships(support_targets, vectors.dtype)
        counts = tf.reduce_sum(members, axis=1)
        sums = tf.matmul(members, vectors, transpose_a=True)
        means = sums / tf.maximum(counts, 1)[..., tf.newaxis]
        fast = {"present": counts > 0, "prototypes": means}
        if unlabelled_inputs is None:
            return fast
        others = self.embed(unlabelled_inputs, training)
        for _ in range(self.refinement_steps):
            shares = tf.nn.softmax(self._logits(fast, others), axis=-1)
            more = tf.reduce_sum(shares, axis=1)
            moved = sums + tf.matmul(shares, others, transpose_a=True)
            total = tf.maximum(counts + more, 1)[..., tf.newaxis]
            fast = {**fast, "prototypes": moved / total}
        return fast

    def predict_adapted(
        self, fast_weights: Any, query_inputs: Any, training: bool = False
    ) -> tf.Tensor:
        return self._logits(fast_weights, self.embed(query_inputs, training))

    def _logits(self, fast_weights: dict[str, Any], query: tf.Tensor) -> tf.Tensor:
        prototypes = tf.convert_to_tensor(fast_weights["prototypes"])
        if self.distance == "cosine":
            prototypes = tf.math.l2_normalize(prototypes, -1)
        products = tf.matmul(query, prototypes, transpose_b=True)
        lengths = tf.reduce_sum(tf.square(query), -1, keepdims=True)
        squares = tf.reduce_sum(tf.square(prototypes), -1)[:, tf.newaxis]
        distance = lengths - 2 * products + squares
        logits = -tf.exp(self.log_scale.value) * distance
        present = tf.convert_to_tensor(fast_weights["present"])[:, tf.newaxis]
        return tf.where(present, logits, tf.constant(ABSENT, logits.dtype))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "distance": self.distance,
            "scale": self.scale,
            "refinement_steps": self.refinement_steps,
            "transductive": self.transductive,
        }


def class_means(
    vectors: tf.Tensor, labels: tf.Tensor, ways: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """The mean vector of each class of one task, zero where it is absent.

    Args:
        vectors: `[examples, dim]`.
        labels: int `[examples]`, or `[examples, 1]`.
        ways: how many classes.

    Returns:
        Means `[ways, dim]` and the number of examples of each class `[ways]`.

    Example:

    >>> means, counts = class_means(tf.constant([[1.0], [3.0]]), tf.constant([1, 1]), 2)
    >>> means.numpy().tolist(), counts.numpy().tolist()
    ([[0.0], [2.0]], [0.0, 2.0])
    """
    labels = tf.reshape(tf.cast(labels, tf.int32), [-1])
    members = tf.one_hot(labels, ways, dtype=vectors.dtype)
    counts = tf.reduce_sum(members, axis=0)
    sums = tf.matmul(members, vectors, transpose_a=True)
    return sums / tf.maximum(counts, 1)[:, tf.newaxis], counts
