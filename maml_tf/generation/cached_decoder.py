"""A causal language model token by token, with what it computed before kept."""

from typing import Any

import keras
import tensorflow as tf

from maml_tf.base_learners.causal_lm_class import causal_lm_class
from maml_tf.base_learners.errors import BaseLearnerError
from maml_tf.generation.plain_slices import plain_slices


class CachedDecoder:
    """Keras-NLP's decoding with a key-value cache, as functions of tensors.

    Variables are read when a function runs, so that within a `keras.StatelessScope`
    the tensors in their place are.

    Args:
        backbone: a Keras-NLP backbone of any family that generates.

    Raises:
        BaseLearnerError: nothing generates with this backbone.

    Example:

    >>> import keras_nlp
    >>> decoder = CachedDecoder(keras_nlp.models.LlamaBackbone(9, 1, 1, 4, 8, 1))
    >>> ids = tf.constant([[1, 2, 3]])
    >>> cache = decoder.read(ids, decoder.empty_cache(1, 5))
    >>> decoder.step(tf.constant([4]), cache, 3)[0].shape
    TensorShape([1, 9])
    """

    def __init__(self, backbone: keras.Model) -> None:
        kind = causal_lm_class(backbone)
        if kind is None:
            raise BaseLearnerError(
                f"Keras-NLP generates no text with a {type(backbone).__name__}; give "
                "the backbone of a causal language model."
            )
        self._model = kind(backbone=backbone, preprocessor=None)
        # Traced and never run: what shape the family's cache has. Of one token alone
        # Keras would warn that a softmax over it is 1.
        built = tf.function(self._model._build_cache).get_concrete_function(
            tf.TensorSpec([1, 2], tf.int32)
        )
        self._shape = built.structured_outputs[-1].shape.as_list()
        self._dtype = built.structured_outputs[-1].dtype

    def empty_cache(self, texts: Any, length: Any) -> tf.Tensor:
        """A cache for so many texts of at most so many tokens."""
        _, layers, two, _, *rest = self._shape
        return tf.zeros([texts, layers, two, length, *rest], self._dtype)

    def read(self, token_ids: tf.Tensor, cache: tf.Tensor) -> tf.Tensor:
        """The cache after the first tokens [texts, length] of each text."""
        with plain_slices():
            return self._model.call_with_cache(token_ids, cache, 0)[-1]

    def step(
        self, tokens: tf.Tensor, cache: tf.Tensor, place: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Scores [texts, vocabulary] of what follows tokens [texts] at a place."""
        with plain_slices():
            found = self._model.call_with_cache(tokens[:, tf.newaxis], cache, place)
        return found[0][:, 0], found[-1]
