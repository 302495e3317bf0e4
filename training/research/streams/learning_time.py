"""How long one more intent takes, from its sentences to answers, at any size of bot."""

import time
from typing import Any

import numpy as np

from maml_tf.evaluation.features import Embedder
from maml_tf.evaluation.vector_episodes import cosine_prototypes
from training.research.streams.stream import Stream

SENTENCES = 5
REPEATS = 9


def seconds_of_one_more(
    embedder: Embedder, texts: list[str], stream: Stream
) -> dict[str, Any]:
    """Median seconds for five sentences, beside a few and beside all intents.

    The sentences are encoded, and the prototypes of all intents made anew of all that
    was taught; the other intents' vectors are kept from when they were taught.

    Args:
        embedder: from strings to vectors.
        texts: of all rows.
        stream: whose intents are known.
    """
    rows = np.concatenate(stream.taught)
    found: dict[str, Any] = {}
    for known in (15, stream.intents - 1):
        times = []
        beside = rows[stream.labels[rows] < known]
        new = np.flatnonzero(stream.labels == known)
        for repeat in range(REPEATS):
            chosen = np.roll(new, repeat)[:SENTENCES]
            start = time.perf_counter()
            vectors = embedder.embed_texts([texts[row] for row in chosen])
            labels = np.append(stream.labels[beside], [known] * SENTENCES)
            both = np.concatenate([stream.vectors[beside], vectors])
            cosine_prototypes(both, labels)
            times.append(time.perf_counter() - start)
        found[f"seconds_at_{known + 1}"] = round(float(np.median(times[2:])), 4)
    return found
