"""Matching networks: attention over the support set."""

from typing import Any

import keras
import tensorflow as tf

from maml_tf.arguments import positive, whole
from maml_tf.learners.embedding_learner import EmbeddingLearner

LEAST = 1e-9

REGISTERED = {
    "matching": {
        "class_name": "MatchingNetwork",
        "summary": "attention over the support set",
        "paper": "arXiv 1606.04080",
        "base_learner": "encoder",
        "takes": (),
    },
}


@keras.saving.register_keras_serializable(package="maml_tf")
class MatchingNetwork(EmbeddingLearner):
    """Matching networks (Vinyals et al. 2016, arXiv 1606.04080).

    A query attends to the support examples by cosine, and the probability of a class is
    the attention that its examples get. The fast weights are the support embeddings
    `vectors` `[tasks, support, dim]` and their `labels`, one-hot `[tasks, support,
    ways]`; predictions are log-probabilities.

    Args:
        base_learner: a Keras model from inputs to vectors `[batch, dim]`.
        scale: factor on the cosine, fixed; 1 in the paper.
        full_context: full-context embedding, appendix A: a bidirectional LSTM runs over
            the support set, whose *order* then matters a little, and an LSTM with
            attention over the support set reads each query.
        processing_steps: of that LSTM.
        max_ways: the width of the class axis; see `PrototypicalNetwork`.

    Raises:
        ValueError: if an option is out of its range.

    Example:

    >>> network = MatchingNetwork(keras.Sequential([keras.Input((2,)),
    ...                                             keras.layers.Dense(3)]))
    >>> fast = network.adapt(tf.ones((1, 4, 2)), tf.constant([[0, 1, 2, 2]]))
    >>> network.predict_adapted(fast, tf.ones((1, 5, 2))).shape
    TensorShape([1, 5, 3])
    """

    def __init__(
        self,
        base_learner: keras.Model,
        *,
        scale: float = 1.0,
        full_context: bool = False,
        processing_steps: int = 5,
        max_ways: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(base_learner, max_ways=max_ways, **kwargs)
        self.scale = positive("scale", scale)
        self.full_context = bool(full_context)
        self.processing_steps = whole("processing_steps", processing_steps)

    def prepare(self) -> None:
        super().prepare()
        if self.full_context:
            dim = self.base_learner.output_shape[-1]
            self.reader = keras.layers.Bidirectional(
                keras.layers.LSTM(
                    dim, return_sequences=True, dtype=self.variable_dtype
                ),
                merge_mode="sum",
                name="support_reader",
                dtype=self.variable_dtype,
            )
            self.reader.build((None, None, dim))
            self.cell = keras.layers.LSTMCell(
                dim, name="query_cell", dtype=self.variable_dtype
            )
            self.cell.build((None, 2 * dim))

    def adapt(
        self, support_inputs: Any, support_targets: Any, training: bool = False
    ) -> dict[str, tf.Tensor]:
        self.check_support(support_inputs, support_targets)
        vectors = self.embed(support_inputs, training)
        labels = self.memberships(support_targets, vectors.dtype)
        if self.full_context:
            vectors += self.reader(vectors, training=training)
        return {"labels": labels, "vectors": vectors}

    def predict_adapted(
        self, fast_weights: Any, query_inputs: Any, training: bool = False
    ) -> tf.Tensor:
        support = tf.convert_to_tensor(fast_weights["vectors"])
        labels = tf.convert_to_tensor(fast_weights["labels"])
        query = self.embed(query_inputs, training)
        if self.full_context:
            query = self._read_queries(query, support)
        cosines = tf.matmul(
            tf.math.l2_normalize(query, -1),
            tf.math.l2_normalize(support, -1),
            transpose_b=True,
        )
        attention = tf.nn.softmax(self.scale * cosines, axis=-1)
        return tf.math.log(tf.matmul(attention, labels) + LEAST)

    def _read_queries(self, query: tf.Tensor, support: tf.Tensor) -> tf.Tensor:
        """The attention LSTM of the paper's appendix, over all queries at once."""
        shape, dim = tf.shape(query), query.shape[-1]
        flat = tf.reshape(query, (-1, dim))
        hidden, read, cell = flat, tf.zeros_like(flat), tf.zeros_like(flat)
        for _ in range(self.processing_steps):
            joined = tf.concat([flat, read], axis=-1)
            output, (_, cell) = self.cell(joined, [hidden, cell])
            hidden = output + flat
            weights = tf.nn.softmax(
                tf.matmul(tf.reshape(hidden, shape), support, transpose_b=True), -1
            )
            read = tf.reshape(tf.matmul(weights, support), (-1, dim))
        return tf.reshape(hidden, shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scale": self.scale,
            "full_context": self.full_context,
            "processing_steps": self.processing_steps,
        }
