"""How far a training is to go, as texts of validation classes say."""

from collections.abc import Callable, Sequence

import keras
import numpy as np

from maml_tf.episodes.sampler import large_classes
from maml_tf.evaluation.vector_episodes import vector_episode_accuracies

from .best_share import keep_best_share

MOST_ROWS = 60
# Of the way from where a training began to where it ended.
SHARES = (0.0, 0.5, 1.0)
EPISODES = 300


def first_of_each(
    rows: np.ndarray, labels: np.ndarray, most: int = MOST_ROWS
) -> np.ndarray:
    """At most `most` rows of each class, spread over all it has.

    >>> first_of_each(np.arange(4), np.array(["a", "b", "a", "b"])).tolist()
    [0, 2, 1, 3]
    """
    chosen = []
    for label in np.unique(labels):
        mine = rows[labels == label]
        count = min(len(mine), most)
        chosen.append(mine[np.linspace(0, len(mine) - 1, count).astype(int)])
    return np.concatenate(chosen)


def keep_best_for_classes(
    model: keras.Model | keras.layers.Layer,
    start: Sequence[np.ndarray],
    embed: Callable[[], np.ndarray],
    labels: np.ndarray,
    *,
    ways: int,
    shots: Sequence[int],
    queries: int = 5,
    seed: int = 0,
) -> float:
    """Sets `model` to the best point between where its training began and where it is.

    On few training texts meta-training overfits, and what it started from is better; on
    many the trained weights are. Validation episodes tell.

    Args:
        model: trained.
        start: its trainable weights before training.
        embed: the vectors `[texts, dim]` of texts of validation classes by the model as
            it stands.
        labels: the class of each text.
        ways, queries, seed: of the episodes; fewer ways where fewer classes are large
            enough.
        shots: numbers of examples; what is compared is the mean over them.

    Returns:
        The share of the way that was kept: 0 for the start, 1 for the trained weights,
        which also stay where no two classes are large enough to choose by.

    Example:

    >>> layer = keras.layers.Dense(2, use_bias=False)
    >>> head = keras.Sequential([keras.Input((2,)), layer])
    >>> start = [np.eye(2, dtype="float32")]
    >>> layer.set_weights([np.ones((2, 2), "float32")])  # tells nothing apart
    >>> corners = np.repeat(np.eye(2, dtype="float32"), 3, axis=0)
    >>> keep_best_for_classes(head, start, lambda: np.asarray(head(corners)),
    ...                       np.repeat(["a", "b"], 3), ways=2, shots=[1], queries=2)
    0.0
    """
    ways = min(ways, large_classes(labels, shots=max(shots), queries=queries))
    if ways < 2:
        return 1.0

    def judge(share: float) -> float:
        vectors = embed()
        each = [
            vector_episode_accuracies(
                vectors,
                labels,
                shots=number,
                ways=ways,
                queries=queries,
                seed=seed,
                episodes=EPISODES,
            ).mean()
            for number in shots
        ]
        return float(np.mean(each))

    return keep_best_share(model, start, judge, shares=SHARES)
