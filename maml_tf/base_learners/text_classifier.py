"""The default base learner: a text encoder and a dense head."""

from collections.abc import Mapping
from typing import Any, Unpack

import keras

from maml_tf.base_learners.errors import BaseLearnerError
from maml_tf.base_learners.text_encoder import (
    EncoderOptions,
    TextEncoder,
    create_text_encoder,
)


@keras.saving.register_keras_serializable(package="maml_tf")
class TextClassifier(keras.Model):
    """A text encoder followed by a dense layer of logits.

    Args:
        encoder: From token tensors to features of shape [batch, dim].
        num_classes: The number of logits, the ways of an episode.
        seed: Makes the head reproducible.

    Attributes:
        encoder: The `TextEncoder`.
        head: The dense layer, named "head".

    Call arguments:
        inputs: Dict of integer tensors of shape [batch, length], what `preprocessor`
            returns.
        training: Whether dropout, if there is any, is active.

    Returns:
        Logits of shape [batch, `num_classes`].

    Raises:
        BaseLearnerError: `num_classes` is less than 1.

    Example:

    >>> model = create_model(num_classes=3, num_layers=1, hidden_dim=8)
    >>> features = model.encode(model.preprocessor(["hello", "you there"]))
    >>> features.shape, model.classify(features).shape
    (TensorShape([2, 8]), TensorShape([2, 3]))
    """

    def __init__(
        self,
        encoder: TextEncoder,
        num_classes: int = 5,
        *,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if num_classes < 1:
            raise BaseLearnerError(
                f"num_classes has to be at least 1 and is {num_classes}."
            )
        self.encoder = encoder
        self.num_classes = num_classes
        self.seed = seed
        self.head = keras.layers.Dense(
            num_classes,
            kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
            # Logits and their losses want all digits, in mixed precision too.
            dtype=self.variable_dtype,
            name="head",
        )
        self.head.build((None, encoder.output_dim))
        self.built = True

    @property
    def backbone(self) -> keras.Model:
        """The encoder's Keras-NLP backbone."""
        return self.encoder.backbone

    @property
    def preprocessor(self) -> keras.layers.Layer | None:
        """From a list or tensor of strings to a dict of padded token tensors."""
        return self.encoder.preprocessor

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: encoder and head are built when they are made."""

    def encode(self, inputs: Mapping[str, Any], training: bool = False) -> Any:
        """Returns the features, of shape [batch, dim], of token tensors."""
        return self.encoder(inputs, training=training)

    def classify(self, features: Any, training: bool = False) -> Any:
        """Returns the logits, of shape [batch, num_classes], of features."""
        return self.head(features, training=training)

    def call(self, inputs: Mapping[str, Any], training: bool = False) -> Any:
        return self.classify(self.encode(inputs, training=training), training=training)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "num_classes": self.num_classes,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TextClassifier":
        encoder = keras.saving.deserialize_keras_object(config["encoder"])
        return cls(**{**config, "encoder": encoder})


def create_model(
    preset: str | None = None,
    *,
    num_classes: int = 5,
    seed: int | None = None,
    **encoder_options: Unpack[EncoderOptions],
) -> TextClassifier:
    """Makes a text classifier: the meta-trained default, a preset, or from scratch.

    Args:
        preset: None for the default encoder, "scratch" for random weights, or a name;
            see `create_text_encoder`.
        num_classes: The number of logits, the ways of an episode.
        seed: Makes all weights that are drawn here reproducible, the head's too.
        encoder_options: The other options of `create_text_encoder`.

    Returns:
        The classifier, built, with its `preprocessor`.

    Raises:
        BaseLearnerError: No such preset, or options that do not fit together.

    Example:

    >>> model = create_model(num_classes=2, num_layers=1, hidden_dim=8)
    >>> model(model.preprocessor(["turn on the light"])).shape
    TensorShape([1, 2])
    """
    encoder = create_text_encoder(preset, seed=seed, **encoder_options)
    return TextClassifier(encoder, num_classes, seed=seed)
