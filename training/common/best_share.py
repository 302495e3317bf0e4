"""How far to go from where a training began to where it ended, by validation."""

from collections.abc import Callable, Sequence

import keras
import numpy as np


def keep_best_share(
    model: keras.Model | keras.layers.Layer,
    start: Sequence[np.ndarray],
    judge: Callable[[float], float],
    *,
    shares: Sequence[float],
) -> float:
    """Sets a model to the best point on the line from `start` to where it is.

    Meta-training that went too far, for its corpus or for another one, is mended by
    going back towards where it began (arXiv 2109.01903).

    Args:
        model: trained; its trainable weights are set.
        start: these weights before the training.
        judge: from the share, at which the model then stands, to its score.
        shares: of the way, 1 for the model as it is; of equal scores the first wins.

    Returns:
        The share that was kept.

    Example:

    >>> layer = keras.layers.Dense(1, use_bias=False)
    >>> layer.build((None, 1))
    >>> layer.set_weights([np.array([[4.0]])])
    >>> near_one = lambda share: -abs(float(layer.kernel[0, 0]) - 1)
    >>> keep_best_share(layer, [np.array([[0.0]])], near_one, shares=(0.0, 0.25, 1.0))
    0.25
    >>> float(layer.kernel[0, 0])
    1.0
    """
    end = weights_of(model)
    scores = []
    for share in shares:
        go_to_share(model, start, end, share)
        scores.append(judge(share))
    best = shares[int(np.argmax(scores))]
    go_to_share(model, start, end, best)
    return best


def weights_of(model: keras.Model | keras.layers.Layer) -> list[np.ndarray]:
    """Its trainable weights as they are now."""
    return [variable.numpy() for variable in model.trainable_variables]


def go_to_share(
    model: keras.Model | keras.layers.Layer,
    start: Sequence[np.ndarray],
    end: Sequence[np.ndarray],
    share: float,
) -> None:
    """Sets a model's trainable weights to a point on the line from `start` to `end`."""
    for variable, before, after in zip(
        model.trainable_variables, start, end, strict=True
    ):
        # Exact at both ends, as adding a difference would not be.
        variable.assign((1 - share) * before + share * after)
