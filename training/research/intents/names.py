"""Prototypes with the intents' names blended in.

A bot's intents have names, which are one more example that costs nothing. It is more
information than the published protocol gives, so it is reported apart.
"""

import numpy as np

from maml_tf.episodes import EpisodeSampler
from maml_tf.evaluation.vector_episodes import cosine_logits, cosine_prototypes

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)


def named_episode_accuracies(
    vectors: np.ndarray,
    labels: np.ndarray,
    names: dict[str, np.ndarray],
    *,
    weight: float,
    shots: int,
    ways: int = 5,
    queries: int = 5,
    episodes: int = 600,
    seed: int = 0,
) -> np.ndarray:
    """The share of right queries in each episode, `[episodes]`.

    Args:
        vectors: `[texts, dim]`.
        labels: the class of each.
        names: the vector of each class' name.
        weight: of the name, where an example weighs 1; 0 for examples alone.
        shots: examples of each class; with 0 there are names alone.
        ways, queries, episodes, seed: of the episodes.

    Raises:
        ValueError: if there are neither examples nor names.

    Example:

    >>> vectors = np.repeat(np.eye(2, dtype="float32"), 3, axis=0)
    >>> names = {"a": np.array([1.0, 0]), "b": np.array([0, 1.0])}
    >>> named_episode_accuracies(vectors, np.repeat(["a", "b"], 3), names, weight=1.0,
    ...                          shots=1, ways=2, queries=2, episodes=2).tolist()
    [1.0, 1.0]
    """
    if not shots and not weight:
        raise ValueError("Without examples the names need a weight above 0.")
    classes, numbers = np.unique(labels, return_inverse=True)
    named = np.stack([names[name] for name in classes])
    sampler = EpisodeSampler(
        numbers,
        ways=ways,
        shots=max(shots, 1),
        queries=queries,
        seed=seed,
        drop_small_classes=True,
    )
    shares = []
    for episode in range(episodes):
        drawn = sampler.sample(episode)
        support, places = drawn.support[0], drawn.support_labels[0]
        in_task = np.zeros(ways, int)
        in_task[places] = numbers[support]
        # Without examples the one that was drawn only tells which classes there are.
        taught = vectors[support] if shots else np.zeros_like(vectors[support])
        prototypes = cosine_prototypes(taught, places, named[in_task], weight)
        guesses = cosine_logits(prototypes, vectors[drawn.query[0]]).argmax(axis=-1)
        shares.append((guesses == drawn.query_labels[0]).mean())
    return np.array(shares)


def choose_name_weight(
    vectors: np.ndarray,
    labels: np.ndarray,
    names: dict[str, np.ndarray],
    *,
    episodes: int = 600,
    **options: int,
) -> float:
    """The weight of `WEIGHTS` that is best on validation episodes."""
    scores = [
        named_episode_accuracies(
            vectors, labels, names, weight=weight, episodes=episodes, **options
        ).mean()
        for weight in WEIGHTS
    ]
    return WEIGHTS[int(np.argmax(scores))]
