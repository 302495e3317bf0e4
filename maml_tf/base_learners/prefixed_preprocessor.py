"""A preprocessor that puts the same words in front of every text."""

from collections.abc import Sequence
from typing import Any

import keras
import keras_nlp
import tensorflow as tf


@keras.saving.register_keras_serializable(package="maml_tf")
class PrefixedPreprocessor(keras_nlp.models.Preprocessor):
    """Puts a prefix in front of every text before another preprocessor reads it.

    Some encoders were trained with an instruction before each text, "query: " for
    those of the E5 family (Wang et al., arXiv 2212.03533), and want it ever after. As
    a part of the preprocessor it goes wherever the encoder goes, exports included.

    Args:
        preprocessor: from texts to a dict of token tensors.
        prefix: what comes before every text, its closing space included.

    Call arguments:
        texts: strings of shape `[batch]`, a list or a tensor.

    Returns:
        What `preprocessor` returns for the texts with their prefix.

    Example:

    >>> from maml_tf.base_learners import create_text_encoder
    >>> encoder = create_text_encoder(num_layers=1, hidden_dim=8)
    >>> prefixed = PrefixedPreprocessor(encoder.preprocessor, "query: ")
    >>> bool((prefixed(["hi"])["token_ids"] ==
    ...       encoder.preprocessor(["query: hi"])["token_ids"]).numpy().all())
    True
    """

    def __init__(
        self, preprocessor: keras.layers.Layer, prefix: str, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.preprocessor = preprocessor
        self.prefix = prefix

    @property
    def tokenizer(self) -> keras.layers.Layer:
        """The tokenizer of the preprocessor behind."""
        return self.preprocessor.tokenizer

    def call(self, texts: Sequence[str] | tf.Tensor) -> dict[str, tf.Tensor]:
        if tf.is_tensor(texts):
            return self.preprocessor(tf.strings.join([self.prefix, texts]))
        return self.preprocessor([self.prefix + text for text in texts])

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("tokenizer", None)
        inner = keras.saving.serialize_keras_object(self.preprocessor)
        return {**config, "preprocessor": inner, "prefix": self.prefix}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "PrefixedPreprocessor":
        inner = keras.saving.deserialize_keras_object(config["preprocessor"])
        return cls(**{**config, "preprocessor": inner})
