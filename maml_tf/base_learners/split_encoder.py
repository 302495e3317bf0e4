"""A text encoder cut in two: lower layers run once a text, upper ones are trained.

Meta-training draws the same sentences again and again. What lies below the cut does
not change, so its output is kept; embeddings, the dearest gradients of a small
transformer, then cost nothing at all.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from maml_tf.base_learners.errors import BaseLearnerError
from maml_tf.base_learners.text_encoder import TextEncoder
from maml_tf.text_lengths import batches_of_like_length, bucket_for


@dataclass(frozen=True)
class TokenStates:
    """The vectors of every token of many texts, without padding.

    Attributes:
        states: `[tokens of all texts, dim]`.
        starts: `[texts + 1]`; text i has the rows `starts[i]` to `starts[i + 1]`.

    Example:

    >>> states = TokenStates(np.ones((5, 2), "float32"), np.array([0, 3, 5]))
    >>> states.batch([1, 0], length=4)["padding_mask"].tolist()
    [[1, 1, 0, 0], [1, 1, 1, 0]]
    """

    states: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """The tokens of each text."""
        return np.diff(self.starts)

    def batch(
        self, rows: Sequence[int] | np.ndarray, length: int | None = None
    ) -> dict[str, np.ndarray]:
        """Padded `hidden` `[rows, length, dim]` and `padding_mask` `[rows, length]`.

        Args:
            rows: numbers of texts.
            length: to crop and pad to; None for the smallest of a few fixed lengths
                that crops nothing.
        """
        rows = np.asarray(rows)
        counts = self.lengths[rows]
        if length is None:
            length = bucket_for(int(counts.max()))
        places = np.arange(length)
        mask = places < counts[:, None]
        index = np.where(mask, self.starts[rows][:, None] + places, 0)
        hidden = self.states[index] * mask[..., None].astype(self.states.dtype)
        return {"hidden": hidden, "padding_mask": mask.astype("int32")}


@keras.saving.register_keras_serializable(package="maml_tf")
class UpperEncoder(keras.Model):
    """The layers of a text encoder above a cut; they are the encoder's own layers.

    Training this model trains `encoder` in place, and only the layers above the cut.

    Args:
        encoder: a `TextEncoder` over a BERT backbone.
        first_layer: the first transformer layer above the cut; 0 leaves the
            embeddings alone below it.

    Call arguments:
        inputs: dict of `hidden` `[batch, length, dim]` and `padding_mask` `[batch,
            length]`, what `TokenStates.batch` gives.

    Returns:
        Vectors `[batch, dim]`, those of `encoder`.

    Raises:
        BaseLearnerError: the backbone is not a stack of layers, or has too few.

    Example:

    >>> from maml_tf.base_learners import create_text_encoder
    >>> encoder = create_text_encoder(num_layers=2, hidden_dim=8)
    >>> upper = UpperEncoder(encoder, first_layer=1)
    >>> states = lower_states(upper, encoder.preprocessor(["hello", "you there"]))
    >>> upper(states.batch([0, 1])).shape
    TensorShape([2, 8])
    """

    def __init__(self, encoder: TextEncoder, first_layer: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        backbone = encoder.backbone
        layers = getattr(backbone, "transformer_layers", None)
        if not layers or getattr(backbone, "embeddings_dropout", None) is None:
            raise BaseLearnerError(
                f"{type(backbone).__name__} cannot be cut between two layers; give an "
                "encoder with a BERT backbone."
            )
        if not 0 <= first_layer < len(layers):
            raise BaseLearnerError(
                f"first_layer={first_layer} has to be between 0 and {len(layers) - 1}, "
                "so that a layer is left to train."
            )
        self.encoder, self.first_layer = encoder, first_layer
        below = layers[first_layer - 1] if first_layer else backbone.embeddings_dropout
        self._lower = keras.Model(backbone.inputs, below.output)
        self._lower.trainable = False
        self.upper_layers = layers[first_layer:]
        self.output_dim = encoder.output_dim
        self.built = True

    @property
    def preprocessor(self) -> keras.layers.Layer | None:
        """From a list of strings to the dict of tensors that the encoder takes."""
        return self.encoder.preprocessor

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: the encoder is built when it is made."""

    def call(self, inputs: Mapping[str, Any], training: bool = False) -> Any:
        hidden, mask = inputs["hidden"], inputs["padding_mask"]
        for layer in self.upper_layers:
            hidden = layer(hidden, padding_mask=mask, training=training)
        return self.encoder.pool(hidden, mask)

    @functools.cached_property
    def infer(self) -> Callable:
        """This model under XLA: traced once, compiled for every shape it meets."""
        specification = {
            "hidden": tf.TensorSpec((None, None, self.output_dim), tf.float32),
            "padding_mask": tf.TensorSpec((None, None), tf.int32),
        }
        return tf.function(
            lambda batch: self(batch, training=False),
            jit_compile=True,
            autograph=False,
            input_signature=[specification],
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "first_layer": self.first_layer,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "UpperEncoder":
        encoder = keras.saving.deserialize_keras_object(config["encoder"])
        return cls(**{**config, "encoder": encoder})


def upper_half(encoder: TextEncoder) -> int:
    """The first of the upper half of an encoder's layers.

    Example:

    >>> from maml_tf.base_learners import create_text_encoder
    >>> upper_half(create_text_encoder(num_layers=3, hidden_dim=8, num_heads=2))
    1
    """
    return len(getattr(encoder.backbone, "transformer_layers", ())) // 2


def lower_states(
    upper: UpperEncoder, tokens: Mapping[str, Any], batch_size: int = 64
) -> TokenStates:
    """Runs the layers below the cut once over every text, short ones together.

    Args:
        upper: whose lower half to run.
        tokens: dict of arrays `[texts, length]`, what its `preprocessor` returns.
        batch_size: texts at a time.
    """
    arrays = {key: np.asarray(tokens[key]) for key in upper.encoder.backbone.input}
    lengths = arrays["padding_mask"].astype("int64").sum(axis=1)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    states = np.zeros((starts[-1], upper.output_dim), "float32")

    specification = {
        key: tf.TensorSpec((None, None), array.dtype) for key, array in arrays.items()
    }

    @tf.function(jit_compile=True, autograph=False, input_signature=[specification])
    def run(batch: Mapping[str, Any]) -> Any:
        return upper._lower(batch, training=False)

    for rows, length in sorted_batches(lengths, batch_size):
        found = run({k: a[rows, :length] for k, a in arrays.items()}).numpy()
        for row, vectors in zip(rows, found, strict=True):
            states[starts[row] : starts[row + 1]] = vectors[: lengths[row]]
    return TokenStates(states, starts)


def embed_states(
    upper: UpperEncoder,
    states: TokenStates,
    rows: Sequence[int] | np.ndarray | None = None,
    batch_size: int = 64,
) -> np.ndarray:
    """The vectors `[rows, dim]` of texts whose lower layers have been run."""
    rows = np.arange(len(states)) if rows is None else np.asarray(rows)
    vectors = np.zeros((len(rows), upper.output_dim), "float32")

    for places, length in sorted_batches(states.lengths[rows], batch_size):
        found = upper.infer(states.batch(rows[places], length)).numpy()
        vectors[places] = found
    return vectors


def sorted_batches(
    lengths: np.ndarray, batch_size: int
) -> Iterator[tuple[np.ndarray, int]]:
    """Yields row numbers, always `batch_size` of them, and the length they need.

    Texts of like length stand together. The last batch of a length is filled up with
    repeated rows, so that XLA compiles one shape a length.

    Example:

    >>> [(r.tolist(), n) for r, n in sorted_batches(np.array([9, 3, 2]), 2)]
    [([2, 1], 8), ([0, 0], 12)]
    """
    needed = np.array([bucket_for(int(size)) for size in lengths])
    for length in np.unique(needed):
        rows = np.flatnonzero(needed == length)
        for part in batches_of_like_length(lengths[rows], batch_size):
            yield np.resize(rows[part], batch_size), int(length)
