"""Several vectors of the same texts, judged on the same episodes."""

from collections.abc import Mapping

import numpy as np

from maml_tf.episodes import EpisodeSampler
from maml_tf.evaluation.vector_episodes import cosine_logits, cosine_prototypes


def paired_accuracies(
    vectors: Mapping[str, np.ndarray],
    labels: np.ndarray,
    *,
    shots: int,
    ways: int = 5,
    queries: int = 5,
    episodes: int = 600,
    seed: int = 0,
    templates: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """The share of right queries in each episode, `[episodes]`, by nearest prototype.

    What two kinds of vectors differ by is known better than either, where both are
    asked the very same.

    Args:
        vectors: by name, `[texts, dim]` of length 1 each.
        labels: the class of each text.
        shots, ways, queries, episodes, seed: see `EpisodeSampler`.
        templates: near-duplicates share one, and never stand on both sides; or None.

    Raises:
        SamplingError: if fewer than `ways` classes are large enough.

    Example:

    >>> vectors = np.repeat(np.eye(3), 4, axis=0)
    >>> found = paired_accuracies({"good": vectors, "bad": np.ones((12, 1))},
    ...                           np.repeat(list("abc"), 4), shots=1, ways=2, queries=3,
    ...                           episodes=2)
    >>> found["good"].tolist(), found["bad"].tolist()
    ([1.0, 1.0], [0.5, 0.5])
    """
    numbers = np.unique(labels, return_inverse=True)[1]
    marks = None if templates is None else np.unique(templates, return_inverse=True)[1]
    sampler = EpisodeSampler(
        numbers,
        ways=ways,
        shots=shots,
        queries=queries,
        seed=seed,
        templates=marks,
        drop_small_classes=True,
    )
    found: dict[str, list[float]] = {name: [] for name in vectors}
    for episode in range(episodes):
        drawn = sampler.sample(episode)
        support, query = drawn.support[0], drawn.query[0]
        for name, array in vectors.items():
            prototypes = cosine_prototypes(array[support], drawn.support_labels[0])
            guesses = cosine_logits(prototypes, array[query]).argmax(axis=-1)
            found[name].append(float((guesses == drawn.query_labels[0]).mean()))
    return {name: np.array(shares) for name, shares in found.items()}
