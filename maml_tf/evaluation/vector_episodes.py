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


def cosine_prototypes(
    vectors: np.ndarray,
    labels: np.ndarray,
    names: np.ndarray | None = None,
    name_weight: float = 0.0,
) -> np.ndarray:
    """The mean of each class' examples, of length 1, as `nearest_prototype` has it.

    Args:
        vectors: `[examples, dim]`.
        labels: the class of each, 0 … classes - 1.
        names: the vector of each class' name, `[classes, dim]`, or None.
        name_weight: of a name, where an example weighs 1.

    Returns:
        `[classes, dim]`.

    Example:

    >>> vectors = np.array([[1.0, 0], [0, 1], [0, 1]])
    >>> cosine_prototypes(vectors, np.array([0, 1, 1])).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    members = np.eye(int(labels.max()) + 1, dtype=vectors.dtype)[labels]
    sums = members.T @ vectors
    if names is not None:
        sums = sums + name_weight * names
    return sums / np.linalg.norm(sums, axis=-1, keepdims=True)


def cosine_logits(
    prototypes: np.ndarray, vectors: np.ndarray, scale: float = 10.0
) -> np.ndarray:
    """Minus the scaled squared distances `[queries, classes]`, all of length 1.

    Example:

    >>> cosine_logits(np.eye(2), np.array([[1.0, 0.0]]), scale=1.0).tolist()
    [[0.0, -2.0]]
    """
    return 2 * scale * (vectors @ prototypes.T - 1)


def vector_corpus(
    vectors: np.ndarray, labels: np.ndarray, templates: np.ndarray | None = None
) -> EncodedCorpus:
    """Vectors `[examples, dim]` with their labels, of any kind, to draw tasks from."""
    names, numbers = np.unique(labels, return_inverse=True)
    if templates is not None:
        templates = np.unique(templates, return_inverse=True)[1]
    return EncodedCorpus(
        vectors, numbers.astype("int32"), tuple(map(str, names)), templates
    )


def vector_episode_accuracies(
    vectors: np.ndarray,
    labels: np.ndarray,
    *,
    shots: int,
    ways: int = 5,
    queries: int = 5,
    episodes: int = 600,
    seed: int = 0,
    templates: np.ndarray | None = None,
    learner: MetaLearner | None = None,
) -> np.ndarray:
    """The share of right queries in each episode, `[episodes]`.

    Args:
        vectors: `[examples, dim]`.
        labels: the class of each.
        shots, ways, queries, seed: of the episodes; see `EpisodeSampler`.
        episodes: how many.
        templates: near-duplicates share one, and never stand on both sides; or None.
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
        vector_corpus(vectors, labels, templates),
        ways=ways,
        shots=shots,
        queries=queries,
        episodes=episodes,
        seed=seed,
        tasks_per_batch=min(20, episodes),
    )
