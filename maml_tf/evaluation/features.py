"""Texts embedded once for all episodes, where adaptation leaves the encoder alone."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from maml_tf.episodes import EncodedCorpus
from maml_tf.evaluation.answering import over_features
from maml_tf.evaluation.finite import checked_vectors
from maml_tf.learners import MetaLearner
from maml_tf.text_lengths import batches_of_like_length, crop_to_longest

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
    if (parts := over_features(learner)) is None:
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
    rows = np.arange(size) if rows is None else np.asarray(rows)
    embedder = Embedder(encoder, batch_size)
    found = embedder.embed_rows(encoded.inputs, rows, encoded.lengths)
    vectors = np.zeros((size, found.shape[-1]), "float32")
    vectors[rows] = found
    return replace(encoded, inputs=vectors, lengths=None)


class Embedder:
    """An encoder as one graph, for any number of examples of any length.

    Many texts go through it in batches of like lengths: one batch of all would be
    padded to the longest, and too large for a processor's cache.

    Args:
        encoder: from inputs to vectors `[examples, dim]`; changes of its weights are
            seen, changes of its layers are not.
        batch_size: examples at once; a five-way five-shot support set is one batch.

    Example:

    >>> from maml_tf import create_text_encoder
    >>> embedder = Embedder(create_text_encoder(num_layers=1, hidden_dim=8))
    >>> embedder.embed_texts(["hello", "you there"]).shape
    (2, 8)
    """

    def __init__(self, encoder: keras.Model, batch_size: int = 32) -> None:
        self.encoder, self.batch_size = encoder, batch_size
        # Not `encoder.predict`, which on an uncompiled model runs XLA for every shape.
        self._graph = tf.function(
            lambda inputs: tf.cast(encoder(inputs, training=False), tf.float32),
            autograph=False,
        )

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors `[texts, dim]` of strings, by the encoder's own preprocessor.

        Raises:
            ValueError: without any text.
        """
        if not len(texts):
            raise ValueError("There are no texts to embed.")
        tokens = {k: np.asarray(v) for k, v in self.tokens_of(texts).items()}
        lengths = tokens["padding_mask"].astype("int64").sum(axis=1)
        return self.embed_rows(tokens, np.arange(len(texts)), lengths)

    def tokens_of(self, texts: Sequence[str]) -> dict[str, tf.Tensor]:
        """Token tensors `[texts, length]`, no longer than the longest text needs."""
        return crop_to_longest(self.encoder.preprocessor(list(texts)))

    def embed_rows(
        self, inputs: Any, rows: np.ndarray, lengths: np.ndarray | None = None
    ) -> np.ndarray:
        """Vectors `[rows, dim]` of some examples.

        Args:
            inputs: a nest of arrays `[examples, ...]`.
            rows: numbers of examples.
            lengths: tokens of each example where inputs are texts, `[examples, length]`
                each.

        Raises:
            EvaluationError: if the encoder makes NaN or infinity of any.
        """
        is_text = lengths is not None
        sizes = lengths[rows] if lengths is not None else np.zeros(len(rows), int)
        encode = self._graph.get_concrete_function(
            tf.nest.map_structure(
                lambda a: tf.TensorSpec(
                    (None, None) if is_text else (None, *a.shape[1:]), a.dtype
                ),
                inputs,
            )
        )
        vectors: np.ndarray | None = None
        for places in batches_of_like_length(sizes, self.batch_size):
            end = sizes[places].max() if is_text else None
            batch = tf.nest.map_structure(
                lambda a, r=rows[places], n=end: tf.constant(
                    a[r] if n is None else a[r, :n]
                ),
                inputs,
            )
            found = encode(batch).numpy()
            if vectors is None:
                vectors = np.zeros((len(rows), found.shape[-1]), "float32")
            vectors[places] = found
        if vectors is None:
            raise ValueError("There are no examples to embed.")
        return checked_vectors(vectors)
