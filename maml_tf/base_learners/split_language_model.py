"""A causal language model cut in two: lower blocks run once a reply, upper ones adapt.

Learning from feedback draws the same replies again and again. Below the first block
that has low-rank factors nothing changes, so what it gives is kept; and only the tokens
of the reply are scored, not those of its context.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from maml_tf.base_learners.causal_lm import CausalLanguageModel
from maml_tf.base_learners.errors import BaseLearnerError
from maml_tf.base_learners.leading_axes import as_examples, as_rows
from maml_tf.base_learners.next_token import word_log_likelihoods
from maml_tf.base_learners.split_encoder import sorted_batches

_TOKENS = ("token_ids", "padding_mask")


@keras.saving.register_keras_serializable(package="maml_tf")
class UpperLanguageModel(keras.Model):
    """The blocks of a causal language model above a cut; they are the model's own.

    Training this model trains `model` in place.

    Args:
        model: a causal language model whose trainable weights are all above the cut.
        first_block: the first block above the cut.
        words: token numbers `[words]`, ascending: the model says nothing else, and
            probabilities are among these; None for the whole vocabulary.

    Call arguments:
        inputs: dict of `hidden` `[..., length, width]` and `padding_mask` `[...,
            length]`, the states at the cut; `positions` `[..., scored]`, the tokens
            after which another is foretold; and `token_ids` `[..., scored]`, which one,
            by its place in `words`. What `ReplyStates.batch` gives.

    Returns:
        Log-likelihoods `[..., scored]`.

    Attributes:
        lower: the blocks below the cut, a model of token numbers.

    Raises:
        BaseLearnerError: if the cut is not between two blocks, or something below it is
            trainable.

    Example:

    >>> from maml_tf.base_learners.scratch_causal_lm import make_scratch_causal_lm
    >>> model = make_scratch_causal_lm(num_layers=2, hidden_dim=8, num_heads=2,
    ...                                lora_rank=2, lora_blocks=1)
    >>> upper = UpperLanguageModel(model, first_block=1)
    >>> states = reply_states(upper, [[72, 105, 33]], [[0.0, 0.0, 1.0]])
    >>> upper(states.batch([0, 0])[0]).shape
    TensorShape([2, 1])
    """

    def __init__(
        self,
        model: CausalLanguageModel,
        first_block: int,
        words: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        backbone = model.backbone
        blocks = backbone.transformer_layers
        if not 1 <= first_block < len(blocks):
            raise BaseLearnerError(
                f"first_block={first_block} has to be from 1 to {len(blocks) - 1}, so "
                "that there are blocks on both sides of the cut."
            )
        cut = blocks[first_block - 1].output
        mask = backbone.input["padding_mask"]
        self.lower = keras.Model(backbone.input, cut)
        if self.lower.trainable_variables:
            raise BaseLearnerError(
                f"{self.lower.trainable_variables[0].path} is trainable and below the "
                f"cut; make the model with lora_blocks={len(blocks) - first_block}."
            )
        self._upper = keras.Model([cut, mask], backbone.output)
        self.model, self.first_block = model, first_block
        self.words = None if words is None else tuple(int(word) for word in words)
        self.built = True

    @property
    def frozen_weights(self) -> list[keras.Variable]:
        """The preset's own weights, where low-rank factors are learned beside them."""
        return self.model.frozen_weights

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: the model is built when it is made."""

    def call(self, inputs: Mapping[str, Any], training: bool = False) -> tf.Tensor:
        like = inputs["padding_mask"]
        given = as_rows([inputs["hidden"], like], like)
        hidden = as_examples(self._upper(given, training=training), like)
        positions = tf.convert_to_tensor(inputs["positions"])
        axes = positions.shape.rank - 1
        scored = tf.gather(hidden, positions, batch_dims=axes, axis=axes)
        words = self.model.word_vectors()
        if self.words is not None:
            words = tf.gather(words, tf.constant(self.words))
        # In a low precision sums over the vocabulary lose what they are about.
        dtype = keras.backend.result_type(self.model.variable_dtype, "float32")
        return word_log_likelihoods(
            tf.cast(scored, dtype), tf.cast(words, dtype), inputs["token_ids"]
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "model": keras.saving.serialize_keras_object(self.model),
            "first_block": self.first_block,
            "words": self.words,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "UpperLanguageModel":
        model = keras.saving.deserialize_keras_object(config["model"])
        return cls(**{**config, "model": model})


@dataclass(frozen=True)
class ReplyStates:
    """The states at the cut of replies behind their contexts, padded to one length.

    Attributes:
        hidden: `[replies, length, width]`.
        padding_mask: `[replies, length]`.
        positions, token_ids: `[replies, scored]`; see `UpperLanguageModel`.
        weights: `[replies, scored]`, 1 where a token is the reply's and 0 for padding.
    """

    hidden: np.ndarray
    padding_mask: np.ndarray
    positions: np.ndarray
    token_ids: np.ndarray
    weights: np.ndarray

    def batch(self, rows: Any) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Inputs `[..., length]` and weights `[..., scored]` of replies by number.

        Args:
            rows: numbers of replies, of any shape.
        """
        rows = np.asarray(rows)
        names = ("hidden", "padding_mask", "positions", "token_ids")
        return {name: getattr(self, name)[rows] for name in names}, self.weights[rows]


def reply_states(
    upper: UpperLanguageModel,
    token_ids: Sequence[Any],
    own: Sequence[Any],
    *,
    batch_size: int = 32,
) -> ReplyStates:
    """Runs the blocks below the cut once over replies behind their contexts.

    Args:
        upper: whose lower half to run.
        token_ids: the tokens of each context with its reply.
        own: for each, 1 for the tokens of the reply and 0 for others.
        batch_size: replies at a time.

    Raises:
        BaseLearnerError: if a reply has a token that is not among `upper.words`.
    """
    count = len(token_ids)
    length = max(len(ids) for ids in token_ids)
    scored = max(int(np.sum(np.asarray(weights) > 0)) for weights in own)
    ids = np.zeros((count, length), "int32")
    mask = np.zeros_like(ids)
    positions = np.zeros((count, scored), "int32")
    said = np.zeros_like(positions)
    weights = np.zeros(positions.shape, "float32")
    for row, (tokens, which) in enumerate(zip(token_ids, own, strict=True)):
        ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, 1
        places = np.flatnonzero(which)
        positions[row, : len(places)] = places - 1
        said[row, : len(places)] = np.asarray(tokens)[places]
        weights[row, : len(places)] = 1
    if upper.words is not None:
        words = np.array(upper.words)
        found = np.minimum(np.searchsorted(words, said), len(words) - 1)
        if ((words[found] != said) & (weights > 0)).any():
            raise BaseLearnerError("A reply has a token that is not among the words.")
        said = found.astype("int32")
    specification = {name: tf.TensorSpec((None, None), tf.int32) for name in _TOKENS}
    run = tf.function(
        lambda rows: upper.lower(rows, training=False),
        autograph=False,
        input_signature=[specification],
    )
    width = upper.model.backbone.hidden_dim
    hidden = np.zeros((count, length, width), upper.compute_dtype)
    # Short ones together: padding costs as much as text.
    for rows, needed in sorted_batches(mask.sum(axis=1), batch_size):
        part = slice(min(needed, length))
        states = run({"token_ids": ids[rows, part], "padding_mask": mask[rows, part]})
        hidden[rows, part] = states.numpy()
    return ReplyStates(hidden, mask, positions, said, weights)
