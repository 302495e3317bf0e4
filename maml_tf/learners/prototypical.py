"""Prototypical networks: a class is the mean of its examples' embeddings."""

import math
from typing import Any

import keras
import tensorflow as tf

from maml_tf.inner_loop.loop import call_model
from maml_tf.inner_loop.update_rules import positive
from maml_tf.learners.meta_learner import MetaLearner

ABSENT = -1e9


@keras.saving.register_keras_serializable(package="maml_tf")
class PrototypicalNetwork(MetaLearner):
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
        **kwargs: Any,
    ) -> None:
        if distance not in ("squared_euclidean", "cosine"):
            raise ValueError(
                f"distance={distance!r} is not known; give squared_euclidean or cosine."
            )
        self.distance, self.max_ways = distance, max_ways
        self.scale = positive("scale", scale)
        super().__init__(base_learner, **kwargs)
        self.supports_jit = max_ways is not None

    def _prepare(self) -> None:
        if not self.built:
            self.log_scale = self.add_weight(
                shape=(),
                name="log_scale",
                initializer=keras.initializers.Constant(math.log(self.scale)),
            )
        super()._prepare()

    def over_features(self) -> tuple[keras.Model, "PrototypicalNetwork"]:
        config = {k: v for k, v in self.get_config().items() if k != "base_learner"}
        as_they_are = keras.Sequential([keras.Input((None,)), keras.layers.Identity()])
        network = type(self)(as_they_are, **config)
        network.log_scale.assign(self.log_scale)
        return self.base_learner, network

    def number_of_classes(self) -> int | None:
        return self.max_ways

    def embed(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Vectors `[tasks, examples, dim]`; all tasks share one pass of the encoder."""
        inputs = tf.nest.map_structure(tf.convert_to_tensor, inputs)
        lead = tf.shape(tf.nest.flatten(inputs)[0])[:2]
        flat = tf.nest.map_structure(
            lambda t: (
                tf.reshape(t, tf.concat([[-1], tf.shape(t)[2:]], 0))
                if None in t.shape
                else tf.reshape(t, (-1, *t.shape[2:]))
            ),
            inputs,
        )
        vectors = call_model(self.base_learner, flat, training)
        vectors = tf.reshape(vectors, tf.concat([lead, [vectors.shape[-1]]], 0))
        # Distances lose too much in half precision.
        vectors = tf.cast(vectors, self.log_scale.dtype)
        return (
            vectors if self.distance != "cosine" else tf.math.l2_normalize(vectors, -1)
        )

    def adapt(self, support_inputs, support_targets, training=False):
        vectors = self.embed(support_inputs, training)
        labels = tf.cast(support_targets, tf.int32)
        ways = self.max_ways or tf.reduce_max(labels) + 1
        members = tf.one_hot(labels, ways, dtype=vectors.dtype)
        counts = tf.reduce_sum(members, axis=1)
        sums = tf.matmul(members, vectors, transpose_a=True)
        means = sums / tf.maximum(counts, 1)[..., tf.newaxis]
        return {"present": counts > 0, "prototypes": means}

    def predict_adapted(self, fast_weights, query_inputs, training=False):
        prototypes = tf.convert_to_tensor(fast_weights["prototypes"])
        query = self.embed(query_inputs, training)
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
            "max_ways": self.max_ways,
        }
