"""What the metric learners share: one pass of an encoder over all tasks."""

from typing import Any

import keras
import tensorflow as tf

from maml_tf.inner_loop.loop import call_model
from maml_tf.learners.episode_checks import check_support
from maml_tf.learners.meta_learner import MetaLearner
from maml_tf.learners.target_kinds import TargetKind


class EmbeddingLearner(MetaLearner):
    """A learner that embeds examples and compares vectors.

    Args:
        base_learner: a Keras model from inputs to vectors `[batch, dim]`.
        max_ways: the width of the class axis. None takes it from the labels of each
            batch, which XLA cannot.
    """

    def __init__(
        self, base_learner: keras.Model, *, max_ways: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(base_learner, **kwargs)
        self.max_ways = max_ways
        self.supports_jit = max_ways is not None

    def number_of_classes(self) -> int | None:
        return self.max_ways

    def support_targets_wanted(self) -> TargetKind:
        return TargetKind("classes", self._outputs())

    def _outputs(self) -> tuple[int | None, ...]:
        return (self.max_ways,)

    def check_support(self, inputs: Any, targets: Any) -> None:
        """Raises EpisodeError for what cannot be adapted to."""
        check_support(inputs, targets, expected=self.expected())

    def embed(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Vectors `[tasks, examples, dim]`; all tasks share one pass of the encoder."""
        inputs = tf.nest.map_structure(tf.convert_to_tensor, inputs)
        lead = tf.shape(tf.nest.flatten(inputs)[0])[:2]
        flat = tf.nest.map_structure(
            lambda t: (
                tf.reshape(t, tf.concat([[-1], tf.shape(t)[2:]], 0))
                if None in t.shape[2:]
                else tf.reshape(t, (-1, *t.shape[2:]))
            ),
            inputs,
        )
        vectors = call_model(self.base_learner, flat, training)
        vectors = tf.reshape(vectors, tf.concat([lead, [vectors.shape[-1]]], 0))
        # Distances lose too much in half precision.
        return tf.cast(vectors, self.variable_dtype)

    def memberships(self, labels: Any, dtype: Any) -> tf.Tensor:
        """One-hot `[tasks, examples, ways]`; labels may have a last axis of 1."""
        labels = tf.cast(labels, tf.int32)
        labels = tf.reshape(labels, tf.shape(labels)[:2])
        ways = self.max_ways or tf.reduce_max(labels) + 1
        return tf.one_hot(labels, ways, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "max_ways": self.max_ways}
