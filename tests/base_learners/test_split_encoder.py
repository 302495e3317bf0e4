"""An encoder cut in two is the encoder, and only its upper half learns."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from maml_tf.base_learners import BaseLearnerError, create_text_encoder
from maml_tf.base_learners.split_encoder import (
    TokenStates,
    UpperEncoder,
    embed_states,
    lower_states,
    sorted_batches,
)
from maml_tf.base_learners.whitening import WithinClassWhitening

TEXTS = ["hello", "how are you today", "a", "switch the light on please"]


def make(first_layer=1):
    encoder = create_text_encoder(
        num_layers=2, hidden_dim=8, sequence_length=32, normalize=True, seed=0
    )
    return UpperEncoder(encoder, first_layer)


@pytest.mark.parametrize("first_layer", [0, 1])
def test_both_halves_together_are_the_encoder(first_layer):
    upper = make(first_layer)
    tokens = upper.preprocessor(TEXTS)
    expected = upper.encoder(tokens).numpy()
    states = lower_states(upper, tokens, batch_size=2)
    assert (
        states.lengths.tolist()
        == tf.reduce_sum(tf.cast(tokens["padding_mask"], tf.int64), 1).numpy().tolist()
    )
    np.testing.assert_allclose(
        embed_states(upper, states, batch_size=2), expected, rtol=1e-4, atol=1e-5
    )
    picked = embed_states(upper, states, [3, 1], batch_size=2)
    np.testing.assert_allclose(picked, expected[[3, 1]], rtol=1e-4, atol=1e-5)


def test_only_the_layers_above_the_cut_are_trained():
    upper = make(1)
    paths = [v.path for v in upper.trainable_variables]
    assert paths and all("transformer_layer_1" in path for path in paths)
    tokens = upper.preprocessor(TEXTS)
    batch = lower_states(upper, tokens).batch(range(len(TEXTS)))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(upper(batch)[:, 0])
    gradients = tape.gradient(loss, upper.trainable_variables)
    assert all(g is not None and np.isfinite(g).all() for g in gradients)
    before = upper.encoder(tokens).numpy()
    keras.optimizers.SGD(1.0).apply_gradients(
        zip(gradients, upper.trainable_variables, strict=True)
    )
    assert np.abs(upper.encoder(tokens).numpy() - before).max() > 1e-4


def test_saving(tmp_path):
    upper = make(1)
    batch = lower_states(upper, upper.preprocessor(TEXTS)).batch([0, 1])
    upper.save(tmp_path / "upper.keras")
    loaded = keras.models.load_model(tmp_path / "upper.keras")
    np.testing.assert_allclose(upper(batch), loaded(batch), rtol=1e-6)


def test_cropping_and_padding():
    states = TokenStates(np.arange(10.0).reshape(5, 2), np.array([0, 3, 5]))
    batch = states.batch([0, 1], length=2)
    assert batch["hidden"].tolist() == [[[0, 1], [2, 3]], [[6, 7], [8, 9]]]
    padded = states.batch([1])
    assert padded["hidden"].shape == (1, 8, 2) and padded["padding_mask"].sum() == 2
    assert not padded["hidden"][0, 2:].any()


def test_every_row_is_in_a_batch_that_holds_it():
    lengths = np.array([3, 9, 30, 3, 700])
    seen = set()
    for rows, length in sorted_batches(lengths, 2):
        assert len(rows) == 2 and lengths[rows].max() <= length
        seen |= set(rows.tolist())
    assert seen == set(range(5))


def test_cuts_that_leave_nothing_are_refused():
    with pytest.raises(BaseLearnerError, match="between 0 and 1"):
        make(2)


def test_whitening_against_its_definition():
    random = np.random.default_rng(0)
    mixing = random.normal(size=(3, 3))
    labels = np.repeat(np.arange(40), 50)
    means = random.normal(size=(40, 3)) * 3
    vectors = means[labels] + random.normal(size=(2000, 3)) @ mixing
    layer = WithinClassWhitening(shrinkage=1e-9, dtype="float64")
    layer.adapt(vectors, labels)
    moved = (vectors - layer.centre.numpy()) @ layer.projection.numpy()
    spread = np.cov((moved - [moved[labels == c].mean(0) for c in labels]).T)
    # Equal in all directions and without correlation.
    np.testing.assert_allclose(spread / spread[0, 0], np.eye(3), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(layer(vectors), axis=1), 1, rtol=1e-9)
    centred = WithinClassWhitening(shrinkage=1e9, dtype="float64")
    centred.adapt(vectors, labels)
    np.testing.assert_allclose(centred.projection.numpy(), np.eye(3), atol=1e-6)


def test_whitening_refuses_what_has_no_spread():
    with pytest.raises(ValueError, match="two examples"):
        WithinClassWhitening().adapt(np.eye(3), [0, 1, 2])
    with pytest.raises(ValueError, match="positive"):
        WithinClassWhitening(shrinkage=0)
