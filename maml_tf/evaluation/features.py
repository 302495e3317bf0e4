"""Texts embedded once for all episodes, where adaptation leaves the encoder alone."""

import keras
import numpy as np
import tensorflow as tf

from maml_tf.episodes import EncodedCorpus
from maml_tf.episodes.dataset import bucket_for


def embed_corpus(
    encoder: keras.Model, encoded: EncodedCorpus, *, batch_size: int = 64
) -> EncodedCorpus:
    """Replaces a corpus' inputs by the vectors that an encoder makes of them.

    An episode repeats a few hundred test texts again and again; here each is encoded
    once, beside others of about its length.

    Args:
        encoder: from inputs to vectors `[examples, dim]`.
        encoded: the corpus; texts or anything else.
        batch_size: examples at once.

    Returns:
        The same rows with float inputs `[examples, dim]`.

    Example:

    >>> corpus = EncodedCorpus(np.ones((3, 2), "float32"), np.zeros(3, "int32"), ("a",))
    >>> embed_corpus(keras.Sequential([keras.layers.Dense(4)]), corpus).inputs.shape
    (3, 4)
    """
    size = len(encoded.labels)
    lengths = np.zeros(size, int) if encoded.lengths is None else encoded.lengths
    order = np.argsort(lengths, kind="stable")

    # Not `encoder.predict`, which on an uncompiled model runs XLA for every new shape.
    @tf.function(autograph=False, reduce_retracing=True)
    def encode(inputs):
        return tf.cast(encoder(inputs, training=False), tf.float32)

    pieces = []
    for start in range(0, size, batch_size):
        rows = order[start : start + batch_size]
        inputs = tf.nest.map_structure(lambda a, r=rows: a[r], encoded.inputs)
        if encoded.lengths is not None:
            length = bucket_for(lengths[rows].max())
            inputs = tf.nest.map_structure(lambda a, n=length: a[:, :n], inputs)
        pieces.append(encode(inputs).numpy())
    vectors = np.empty((size, pieces[0].shape[-1]), "float32")
    vectors[order] = np.concatenate(pieces)
    return EncodedCorpus(
        vectors, encoded.labels, encoded.class_names, encoded.templates
    )
