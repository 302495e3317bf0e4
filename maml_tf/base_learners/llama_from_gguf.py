"""Keras-NLP's Llama backbone with the weights of a GGUF file."""

from typing import Any

import keras
import keras_nlp
import numpy as np

from maml_tf.base_learners.errors import BaseLearnerError
from maml_tf.base_learners.gguf_file import GGUFFile


@keras.saving.register_keras_serializable(package="maml_tf")
class TiedLlamaBackbone(keras_nlp.models.LlamaBackbone):
    """A Llama whose configuration says whether its embeddings are tied.

    Keras-NLP's own leaves it out, so that a saved model would come back with an output
    matrix of its own, and random.
    """

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "tie_word_embeddings": self.tie_word_embeddings}


def llama_from_gguf(
    file: GGUFFile, *, dropout: float = 0.0, dtype: str | None = None
) -> keras_nlp.models.LlamaBackbone:
    """Makes the backbone that a GGUF file describes, with its weights.

    Args:
        file: Of architecture "llama".
        dropout: After attention.
        dtype: Of weights and computation; None for Keras' policy.

    Returns:
        A functional Keras-NLP backbone, {"token_ids", "padding_mask"}, both [batch,
        length], to hidden states [batch, length, width].

    Raises:
        BaseLearnerError: The file is of another architecture or has parts that
            Keras-NLP's Llama lacks.
    """
    sizes = _sizes(file)
    backbone = TiedLlamaBackbone(
        **sizes,
        tie_word_embeddings=not file.has_tensor("output.weight"),
        dropout=dropout,
        dtype=dtype,
    )
    embedding = backbone.token_embedding
    embedding.embeddings.assign(file.tensor("token_embd.weight"))
    if not backbone.tie_word_embeddings:
        embedding.reverse_embeddings.assign(file.tensor("output.weight").T)
    backbone.layer_norm.scale.assign(file.tensor("output_norm.weight"))
    for number, layer in enumerate(backbone.transformer_layers):
        _fill_layer(layer, file, f"blk.{number}.")
    return backbone


def check_llama(file: GGUFFile) -> None:
    """Raises a `BaseLearnerError` where the file is of another architecture."""
    architecture = file.required("general.architecture")
    if architecture != "llama":
        raise BaseLearnerError(
            f"The GGUF file {str(file.path)!r} holds a model of architecture "
            f"{architecture!r}; only 'llama' (Llama, SmolLM, TinyLlama) is read."
        )


def _sizes(file: GGUFFile) -> dict[str, Any]:
    """The arguments of `LlamaBackbone` that are in the file's settings."""
    check_llama(file)
    width = file.required("llama.embedding_length")
    heads = file.required("llama.attention.head_count")
    head_width = file.setting("llama.attention.key_length", width // heads)
    scaled = file.setting("llama.rope.scaling.type", "none") != "none"
    if scaled or file.has_tensor("rope_freqs.weight"):
        raise BaseLearnerError(
            f"The GGUF file {str(file.path)!r} scales its rotary positions, which is "
            "not read; take a model without, such as SmolLM2."
        )
    if head_width * heads != width or file.setting("llama.expert_count", 0):
        raise BaseLearnerError(
            f"The GGUF file {str(file.path)!r} has experts or heads that do not add up "
            "to the model's width, which Keras-NLP's Llama lacks."
        )
    return {
        "vocabulary_size": len(file.required("tokenizer.ggml.tokens")),
        "num_layers": file.required("llama.block_count"),
        "num_query_heads": heads,
        "num_key_value_heads": file.setting("llama.attention.head_count_kv", heads),
        "hidden_dim": width,
        "intermediate_dim": file.required("llama.feed_forward_length"),
        "rope_max_wavelength": file.setting("llama.rope.freq_base", 10000.0),
        "layer_norm_epsilon": file.required("llama.attention.layer_norm_rms_epsilon"),
    }


def _fill_layer(layer: keras.layers.Layer, file: GGUFFile, prefix: str) -> None:
    """Assigns one decoder layer's weights; Keras has inputs first, GGUF outputs."""

    def matrix(name: str) -> np.ndarray:
        return file.tensor(f"{prefix}{name}.weight").T

    attention = layer._self_attention_layer
    for dense, name, heads in (
        (attention._query_dense, "attn_q", attention.num_query_heads),
        (attention._key_dense, "attn_k", attention.num_key_value_heads),
    ):
        rows = _halves_from_pairs(file.tensor(f"{prefix}{name}.weight"), heads)
        dense.kernel.assign(rows.T.reshape(dense.kernel.shape))
    value, output = attention._value_dense.kernel, attention._output_dense.kernel
    value.assign(matrix("attn_v").reshape(value.shape))
    output.assign(matrix("attn_output").reshape(output.shape))
    layer._feedforward_gate_dense.kernel.assign(matrix("ffn_gate"))
    layer._feedforward_intermediate_dense.kernel.assign(matrix("ffn_up"))
    layer._feedforward_output_dense.kernel.assign(matrix("ffn_down"))
    layer._self_attention_layernorm.scale.assign(matrix("attn_norm"))
    layer._feedforward_layernorm.scale.assign(matrix("ffn_norm"))


def _halves_from_pairs(rows: np.ndarray, heads: int) -> np.ndarray:
    """Undoes the order that llama.cpp gives the rows of queries and keys.

    It rotates neighbouring pairs of a head's rows, Keras-NLP (as Hugging Face) the
    first half with the second.
    """
    paired = rows.reshape(heads, -1, 2, rows.shape[1])
    return paired.swapaxes(1, 2).reshape(rows.shape)
