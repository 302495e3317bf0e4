"""Episodes over vectors that were computed once, hundreds of them in a second.

A learner whose adaptation does not change the encoder needs each test text embedded
once, not once an episode.
"""

from typing import Any

import keras
import numpy as np

from maml_tf.episodes import EncodedCorpus
from maml_tf.evaluation.accuracy import episode_accuracies
from maml_tf.learners import MetaLearner, PrototypicalNetwork


def nearest_prototype(dim: int, **options: Any) -> PrototypicalNetwork:
    """A prototypical network over ready vectors, its encoder the identity.

    Args:
        dim: the width of the vectors.
        options: for `PrototypicalNetwork`; cosine with a scale of 10 if left out.

    Example:

    >>> vectors = np.array([[[1.0, 0.0], [0.0, 1.0]]], "float32")
    >>> learner = nearest_prototype(2)
    >>> learner({"support_inputs": vectors, "support_targets": np.array([[0, 1]]),
    ...          "query_inputs": vectors}).numpy().argmax(-1)
    array([[0, 1]])
    """
    identity = keras.Sequential([keras.Input((dim,)), keras.layers.Identity()])
    return PrototypicalNetwork(
        identity, **{"distance": "cosine", "scale": 10.0, **options}
    )


def vector_corpus(vectors: np.ndarray, labels: np.ndarray) -> EncodedCorpus:
    """Vectors `[examples, dim]` with their labels, of any kind, to draw tasks from."""
    names, numbers = np.unique(labels, return_inverse=True)
    return EncodedCorpus(vectors, numbers.astype("int32"), tuple(map(str, names)))


def vector_episode_accuracies(
    vectors: np.ndarray,
    labels: np.ndarray,
    *,
    shots: int,
    ways: int = 5,
    queries: int = 5,
    episodes: int = 600,
    seed: int = 0,
    learner: MetaLearner | None = None,
) -> np.ndarray:
    """The share of right queries in each episode, `[episodes]`.

    Args:
        vectors: `[examples, dim]`.
        labels: the class of each.
        shots, ways, queries, seed: of the episodes; see `EpisodeSampler`.
        episodes: how many.
        learner: from vectors to predictions; the nearest prototype by cosine if None.

    Example:

    >>> vectors = np.repeat(np.eye(3, dtype="float32"), 4, axis=0)
    >>> labels = np.repeat(list("abc"), 4)
    >>> vector_episode_accuracies(vectors, labels, shots=1, ways=2, queries=2,
    ...                           episodes=2).tolist()
    [1.0, 1.0]
    """
    return episode_accuracies(
        learner or nearest_prototype(vectors.shape[1]),
        vector_corpus(vectors, labels),
        ways=ways,
        shots=shots,
        queries=queries,
        episodes=episodes,
        seed=seed,
        tasks_per_batch=min(20, episodes),
    )
