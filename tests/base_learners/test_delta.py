"""Deltas: exact on their base, refused elsewhere, and never added twice."""

import json

import numpy as np
import pytest
from base_learner_checks import saved_and_loaded

from maml_tf.base_learners import (
    BaseLearnerError,
    create_model,
    create_text_encoder,
    delta,
)
from maml_tf.base_learners.delta import Delta, fingerprint

TEXTS = ["turn on the light", "Hello!"]


@pytest.fixture
def base_directory(tmp_path):
    """A tiny preset that stands for the base encoder."""
    source = create_text_encoder(
        num_layers=1, hidden_dim=16, sequence_length=16, seed=1
    )
    source.backbone.save_to_preset(str(tmp_path / "base"))
    source.preprocessor.save_to_preset(str(tmp_path / "base"))
    return str(tmp_path / "base")


def trained_from(directory):
    encoder = create_text_encoder(directory, pretrained="base", sequence_length=16)
    random = np.random.default_rng(0)
    for variable in encoder.trainable_variables:
        change = random.normal(size=variable.shape) * 0.02
        variable.assign_add(change.astype("float32"))
    return encoder


@pytest.fixture
def shipped(base_directory, tmp_path, monkeypatch):
    """The trained encoder, whose delta the package is made to ship."""
    trained = trained_from(base_directory)
    base = create_text_encoder(base_directory, pretrained="base", sequence_length=16)
    made = Delta.between(base.backbone, trained.backbone, rank=16)
    monkeypatch.setattr(delta, "FOLDER", tmp_path / "deltas")
    made.save(tmp_path / "deltas" / "tiny")
    return trained


def vectors(encoder):
    return np.asarray(encoder(encoder.preprocessor(TEXTS)))


def test_a_preset_starts_from_the_shipped_delta_with_nothing_said(
    shipped, base_directory
):
    options = {"sequence_length": 16}
    base = create_text_encoder(base_directory, pretrained="base", **options)
    for encoder in (
        create_text_encoder(base_directory, **options),
        create_text_encoder(base_directory, pretrained="meta", **options),
        create_model(base_directory, **options).encoder,
        create_text_encoder(
            base_directory,
            pretrained=str(delta.FOLDER / "tiny.npz"),
            lora_rank=2,
            **options,
        ),
    ):
        np.testing.assert_allclose(vectors(encoder), vectors(shipped), atol=5e-3)
        assert np.abs(vectors(encoder) - vectors(base)).max() > 0.1


def test_a_saved_encoder_holds_the_sum_and_gets_no_second_delta(
    shipped, base_directory, tmp_path
):
    encoder = create_text_encoder(base_directory, sequence_length=16)
    encoder.save(tmp_path / "model.keras")
    loaded = saved_and_loaded(encoder, tmp_path)
    np.testing.assert_array_equal(vectors(loaded), vectors(encoder))
    copied = type(encoder).from_config(encoder.get_config())
    copied.set_weights(encoder.get_weights())
    tokens = encoder.preprocessor(TEXTS)  # a tokenizer's config has no vocabulary
    np.testing.assert_array_equal(copied(tokens), encoder(tokens))


def test_low_rank_factors_are_the_best_of_their_rank(base_directory):
    base = create_text_encoder(base_directory, pretrained="base", sequence_length=16)
    trained = create_text_encoder(base_directory, pretrained="base", sequence_length=16)
    random = np.random.default_rng(0)
    kernel = trained.backbone.transformer_layers[0]._feedforward_output_dense.kernel
    low = random.normal(size=(kernel.shape[0], 2)) @ random.normal(size=(2, 16))
    kernel.assign_add(low.astype("float32"))
    made = Delta.between(base.backbone, trained.backbone, rank=2)
    assert list(made.changes) == [kernel.path]
    assert made.changes[kernel.path]["left"].dtype == np.int8
    made.apply(base.backbone)
    found = {v.path: v.numpy() for v in base.backbone.variables}[kernel.path]
    # Of rank 2 itself, so that only the 8 bits of the factors are lost.
    np.testing.assert_allclose(found, kernel.numpy(), atol=0.02 * np.abs(low).max())


def test_a_delta_for_other_weights_is_refused(shipped, base_directory):
    other = create_text_encoder(
        num_layers=1, hidden_dim=16, sequence_length=16, seed=2
    ).backbone
    path = delta.FOLDER / "tiny.npz"
    with pytest.raises(BaseLearnerError, match="difference to the weights of") as told:
        Delta.load(path).apply(other)
    assert fingerprint(other) in str(told.value)
    with pytest.raises(BaseLearnerError, match="difference to the weights of"):
        create_text_encoder(num_layers=1, hidden_dim=16, pretrained=str(path))
    with pytest.raises(BaseLearnerError, match="No delta in this package"):
        create_text_encoder(num_layers=1, hidden_dim=16, pretrained="meta")


def test_a_delta_of_another_version_is_refused(shipped):
    path = delta.FOLDER / "tiny.npz"
    with np.load(path) as held:
        arrays = dict(held)
    card = {**json.loads(arrays["card"].tobytes()), "format": 99}
    arrays["card"] = np.frombuffer(json.dumps(card).encode(), "uint8")
    np.savez(path, **arrays)
    with pytest.raises(BaseLearnerError, match=r"format 99.*reads format 1"):
        Delta.load(path)


@pytest.mark.parametrize("content", [None, b"no archive", b"PK\x03\x04 truncated"])
def test_a_file_that_is_no_delta_is_refused(tmp_path, content):
    path = tmp_path / "broken.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BaseLearnerError, match=r"is no delta|There is no delta"):
        Delta.load(path)


def test_encoders_of_two_architectures_have_no_difference():
    one, two = (
        create_text_encoder(num_layers=n, hidden_dim=8).backbone for n in (1, 2)
    )
    with pytest.raises(BaseLearnerError, match="one architecture"):
        Delta.between(one, two)


def test_weights_that_did_not_change_take_no_room(base_directory):
    base = create_text_encoder(
        base_directory, pretrained="base", sequence_length=16
    ).backbone
    assert Delta.between(base, base).changes == {}


def test_texts_seen_are_kept_with_the_delta(base_directory, tmp_path):
    base = create_text_encoder(
        base_directory, pretrained="base", sequence_length=16
    ).backbone
    made = Delta.between(
        base, base, card={"name": "tiny"}, seen_texts=[7, 3, 7], seen_classes=[2**63]
    )
    made.save(tmp_path / "tiny.npz")
    read = Delta.load(tmp_path / "tiny.npz")
    assert read.seen_texts.tolist() == [3, 7]
    assert read.seen_classes.tolist() == [2**63]
    card = json.loads((tmp_path / "tiny.json").read_text(encoding="utf-8"))
    assert card == read.card and card["name"] == "tiny"
