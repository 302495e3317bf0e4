"""Texts embedded once for all episodes, where adaptation leaves the encoder alone."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from maml_tf.episodes import EncodedCorpus
from maml_tf.episodes.dataset import bucket_for
from maml_tf.learners import MetaLearner

Draw = Callable[[EncodedCorpus], Iterable]


def embed_once(
    learner: MetaLearner, encoded: EncodedCorpus, draw: Draw
) -> tuple[MetaLearner, EncodedCorpus]:
    """The learner over vectors and the corpus' vectors, if adapting allows for that.

    Where adaptation changes the encoder, both come back as they are.

    Args:
        learner: a built learner.
        encoded: the corpus; only what `draw` takes of it is embedded.
        draw: see `drawn_rows`.
    """
    if (parts := learner.over_features()) is None:
        return learner, encoded
    encoder, over_vectors = parts
    rows = drawn_rows(encoded, draw)
    return over_vectors, embed_corpus(encoder, encoded, rows=rows)


def drawn_rows(encoded: EncodedCorpus, draw: Draw) -> np.ndarray:
    """The numbers of the examples that occur in the episodes of `draw`.

    Args:
        encoded: the corpus.
        draw: from a corpus to its episodes `(x, y)`; it has to draw the same rows from
            every corpus with the same labels.
    """
    numbers = replace(encoded, inputs=np.arange(len(encoded.labels)), lengths=None)
    used = np.zeros(len(encoded.labels), bool)
    for x, _ in draw(numbers):
        for name in ("support_inputs", "query_inputs"):
            used[np.asarray(x[name])] = True
    return np.flatnonzero(used)


def embed_corpus(
    encoder: keras.Model,
    encoded: EncodedCorpus,
    *,
    rows: np.ndarray | None = None,
    batch_size: int = 64,
) -> EncodedCorpus:
    """Replaces a corpus' inputs by the vectors that an encoder makes of them.

    An episode repeats a few hundred test texts again and again; here each is encoded
    once, beside others of about its length.

    Args:
        encoder: from inputs to vectors `[examples, dim]`.
        encoded: the corpus; texts or anything else.
        rows: numbers of the examples that are needed; the others become zero. All
            are needed if None.
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
    rows = np.arange(size) if rows is None else rows
    order = rows[np.argsort(lengths[rows], kind="stable")]

    # Not `encoder.predict`, which on an uncompiled model runs XLA for every new shape.
    @tf.function(autograph=False, reduce_retracing=True)
    def encode(inputs: Any) -> tf.Tensor:
        return tf.cast(encoder(inputs, training=False), tf.float32)

    pieces = []
    for start in range(0, len(order), batch_size):
        part = order[start : start + batch_size]
        inputs = tf.nest.map_structure(lambda a, r=part: a[r], encoded.inputs)
        if encoded.lengths is not None:
            length = bucket_for(lengths[part].max())
            inputs = tf.nest.map_structure(lambda a, n=length: a[:, :n], inputs)
        pieces.append(encode(inputs).numpy())
    vectors = np.zeros((size, pieces[0].shape[-1]), "float32")
    vectors[order] = np.concatenate(pieces)
    return EncodedCorpus(
        vectors, encoded.labels, encoded.class_names, encoded.templates
    )
