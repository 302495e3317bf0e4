"""Padding to no more than is needed."""

import numpy as np
import tensorflow as tf

from maml_tf.text_lengths import batches_of_like_length, crop_to_longest


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
