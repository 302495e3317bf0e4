"""A text encoder with a meta-trained projection of its vectors behind it."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from maml_tf.base_learners.text_encoder import TextEncoder
from maml_tf.base_learners.whitening import WithinClassWhitening


@keras.saving.register_keras_serializable(package="maml_tf")
class ProjectedEncoder(keras.Model):
    """A frozen `TextEncoder` followed by a `WithinClassWhitening`.

    The cheapest meta-training there is: the encoder runs once over the training
    texts, and the projection learns from their vectors in seconds.

    Args:
        encoder: from token tensors to vectors; it is not trained.
        projection: from vectors to vectors of length 1.

    Call arguments:
        inputs: what `preprocessor` returns.

    Returns:
        Vectors `[batch, output_dim]`, of length 1.

    Example:

    >>> from maml_tf.base_learners import create_text_encoder
    >>> projected = ProjectedEncoder(create_text_encoder(num_layers=1, hidden_dim=8))
    >>> projected(projected.preprocessor(["hello", "you there"])).shape
    TensorShape([2, 8])
    >>> [v.path.split("/")[-1] for v in projected.trainable_variables]
    ['centre', 'projection']
    """

    def __init__(
        self,
        encoder: TextEncoder,
        projection: WithinClassWhitening | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.encoder = encoder
        self.encoder.trainable = False
        self.projection = projection or WithinClassWhitening(name="projection")
        self.output_dim = encoder.output_dim
        if not self.projection.built:
            self.projection.build((None, self.output_dim))
            self.projection.built = True
        self.built = True

    @property
    def preprocessor(self) -> keras.layers.Layer | None:
        """From a list of strings to the dict of tensors that the encoder takes."""
        return self.encoder.preprocessor

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: both parts are built when they are made."""

    def call(self, inputs: Mapping[str, Any], training: bool = False) -> Any:
        return self.projection(self.encoder(inputs, training=training))

    def get_config(self) -> dict[str, Any]:
        parts = {"encoder": self.encoder, "projection": self.projection}
        return {
            **super().get_config(),
            **{k: keras.saving.serialize_keras_object(v) for k, v in parts.items()},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ProjectedEncoder":
        config = dict(config)
        for name in ("encoder", "projection"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)

    def adapt(self, vectors: np.ndarray, labels: Any) -> None:
        """Sets the projection in closed form; see `WithinClassWhitening.adapt`."""
        self.projection.adapt(vectors, labels)
