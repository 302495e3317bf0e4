"""Texts embedded in batches of like length are embedded as they are alone."""

import numpy as np
import pytest

from maml_tf import create_text_encoder
from maml_tf.evaluation.features import Embedder

TEXTS = ["a", "hello you there", "hi", "what is the weather like in Paris today", "b"]


@pytest.fixture(scope="module")
def encoder():
    return create_text_encoder(num_layers=1, hidden_dim=8, sequence_length=48, seed=0)


def test_batches_change_nothing(encoder):
    alone = np.concatenate([encoder(encoder.preprocessor([text])) for text in TEXTS])
    found = Embedder(encoder, batch_size=2).embed_texts(TEXTS)
    np.testing.assert_allclose(found, alone, rtol=1e-4, atol=1e-5)


def test_weights_that_change_are_seen(encoder):
    embedder = Embedder(encoder)
    before = embedder.embed_texts(TEXTS)
    weights = encoder.get_weights()
    encoder.set_weights([weight + 0.1 for weight in weights])
    after = embedder.embed_texts(TEXTS)
    encoder.set_weights(weights)
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_array_equal(embedder.embed_texts(TEXTS), before)


def test_nothing_to_embed_is_said(encoder):
    with pytest.raises(ValueError, match="no texts to embed"):
        Embedder(encoder).embed_texts([])
