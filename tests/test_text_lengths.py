"""Padding to no more than is needed."""

import numpy as np
import pytest
import tensorflow as tf

from maml_tf.text_lengths import (
    batches_of_like_length,
    crop_to_longest,
    encode_by_length,
)


def test_cropping_in_a_graph_and_of_nothing():
    crop = tf.function(crop_to_longest, autograph=False)
    tokens = {
        "token_ids": tf.constant([[5, 0, 0], [6, 7, 0]]),
        "padding_mask": tf.constant([[True, False, False], [True, True, False]]),
    }
    assert crop(tokens)["token_ids"].numpy().tolist() == [[5, 0], [6, 7]]
    none = {name: tensor[:0] for name, tensor in tokens.items()}
    assert crop(none)["token_ids"].shape == (0, 0)
    bare = {"vectors": tf.ones((2, 3))}
    assert crop(bare)["vectors"].shape == (2, 3)


def test_every_text_is_in_one_batch_beside_its_like():
    lengths = np.random.default_rng(0).integers(1, 60, 101)
    batches = list(batches_of_like_length(lengths, 8))
    assert sorted(np.concatenate(batches)) == list(range(101))
    assert all(len(rows) == 8 for rows in batches[:-1])
    longest = [lengths[rows].max() for rows in batches]
    assert longest == sorted(longest)


@pytest.mark.parametrize("texts", [1, 7, 8, 101])
def test_a_graph_encodes_short_texts_together_and_gives_them_in_order(texts):
    lengths = np.random.default_rng(texts).integers(1, 40, texts)
    mask = np.arange(40) < lengths[:, None]
    tokens = {
        "token_ids": tf.constant(np.where(mask, 1 + np.arange(texts)[:, None], 0)),
        "padding_mask": tf.constant(mask),
    }
    shapes = []

    def encode(batch):
        ids = tf.cast(batch["token_ids"], tf.float32)
        tf.py_function(lambda t: shapes.append(tuple(t.shape)), [ids], [])
        return tf.stack([ids[:, 0], tf.reduce_sum(ids, 1)], 1)

    graph = tf.function(lambda t: encode_by_length(encode, t, 8), autograph=False)
    vectors = graph(tokens)
    numbers = 1 + np.arange(texts)
    np.testing.assert_array_equal(vectors, np.stack([numbers, numbers * lengths], 1))
    # Batches are whole but for the last, and no wider than their longest text.
    rows = [*batches_of_like_length(lengths, 8)]
    assert shapes == [(len(part), lengths[part].max()) for part in rows]


def test_vectors_have_a_known_width_in_a_graph():
    tokens = {
        name: tf.TensorSpec([None, None], tf.int32)
        for name in ("token_ids", "padding_mask")
    }
    graph = tf.function(
        lambda t: encode_by_length(lambda b: tf.one_hot(b["token_ids"][:, 0], 5), t)
    )
    (output,) = graph.get_concrete_function(tokens).outputs
    assert output.shape.as_list() == [None, 5]
