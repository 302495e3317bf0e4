"""How long it takes from strings to prototypes."""

import time

import numpy as np

from maml_tf.evaluation.features import Embedder
from maml_tf.evaluation.vector_episodes import cosine_prototypes


def adapt_milliseconds(
    embedder: Embedder,
    texts: list[str],
    shots: int,
    ways: int = 5,
    repeats: int = 7,
) -> float:
    """Median time from `ways * shots` strings to prototypes, in milliseconds.

    Args:
        embedder: from strings to vectors.
        texts: to choose from at random.
        shots, ways: of the task.
        repeats: that are timed, after two that are not.
    """
    random, times = np.random.default_rng(0), []
    labels = np.repeat(np.arange(ways), shots)
    for _ in range(repeats + 2):
        chosen = [texts[i] for i in random.choice(len(texts), ways * shots)]
        start = time.perf_counter()
        cosine_prototypes(embedder.embed_texts(chosen), labels)
        times.append(time.perf_counter() - start)
    return float(1000 * np.median(times[2:]))
