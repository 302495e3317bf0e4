"""A small causal language model over bytes, from scratch: for any language."""

import keras
import keras_nlp

from maml_tf.base_learners.causal_lm import CausalLanguageModel
from maml_tf.base_learners.chat_template import ChatTemplate
from maml_tf.base_learners.errors import BaseLearnerError
from maml_tf.base_learners.llama_from_gguf import TiedLlamaBackbone

_BYTES = 256


def make_scratch_causal_lm(
    *,
    num_layers: int = 2,
    hidden_dim: int = 128,
    num_heads: int = 4,
    num_key_value_heads: int | None = None,
    intermediate_dim: int | None = None,
    dropout: float = 0.0,
    lora_rank: int | None = None,
    lora_blocks: int | None = None,
    dtype: str | None = None,
    seed: int | None = None,
) -> CausalLanguageModel:
    """Makes a model of the Llama family whose tokens are the bytes of UTF-8.

    Args:
        num_layers: transformer blocks.
        hidden_dim: width of the model.
        num_heads: attention heads; divides `hidden_dim`.
        num_key_value_heads: heads of keys and values, each for several queries' heads;
            as many as `num_heads` if None.
        intermediate_dim: width inside the feed-forward layers; 3 * `hidden_dim` if
            None.
        dropout: rate of all dropout.
        lora_rank: see `CausalLanguageModel`, as the next.
        lora_blocks: see `CausalLanguageModel`.
        dtype: of the weights, Keras' default if None.
        seed: makes the weights reproducible.

    Raises:
        BaseLearnerError: if the sizes do not fit together.

    Example:

    >>> model = make_scratch_causal_lm(num_layers=1, hidden_dim=8, num_heads=2)
    >>> model.vocabulary_size, model.chat_template.end_of_turn
    (259, 258)
    """
    key_value_heads = num_key_value_heads or num_heads
    sizes = {
        "num_layers": num_layers,
        "hidden_dim": hidden_dim,
        "num_heads": num_heads,
        "num_key_value_heads": key_value_heads,
    }
    for name, size in sizes.items():
        if size < 1:
            raise BaseLearnerError(f"{name} has to be at least 1 and is {size}.")
    if hidden_dim % (2 * num_heads):
        raise BaseLearnerError(
            f"hidden_dim={hidden_dim} is no multiple of twice num_heads={num_heads}; "
            "rotary positions take the numbers of a head in pairs."
        )
    if num_heads % key_value_heads:
        raise BaseLearnerError(
            f"num_heads={num_heads} is no multiple of "
            f"num_key_value_heads={key_value_heads}."
        )
    backbone = TiedLlamaBackbone(
        vocabulary_size=_BYTES + 3,
        num_layers=num_layers,
        num_query_heads=num_heads,
        num_key_value_heads=key_value_heads,
        hidden_dim=hidden_dim,
        intermediate_dim=intermediate_dim or 3 * hidden_dim,
        dropout=dropout,
        tie_word_embeddings=True,
        dtype=dtype,
    )
    if seed is not None:
        for index, variable in enumerate(backbone.weights):
            if variable.name in ("kernel", "embeddings"):
                draw = keras.initializers.RandomNormal(stddev=0.02, seed=seed + index)
                variable.assign(draw(variable.shape, dtype=variable.dtype))
    other, own, end = range(_BYTES, _BYTES + 3)
    return CausalLanguageModel(
        backbone,
        keras_nlp.tokenizers.ByteTokenizer(lowercase=False),
        ChatTemplate((), (other,), (own,), (end,)),
        lora_rank=lora_rank,
        lora_blocks=lora_blocks,
        seed=seed,
    )
