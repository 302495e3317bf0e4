"""Accuracy per episode, its mean and 95 % interval, and the frozen baseline."""

from collections.abc import Iterable
from dataclasses import dataclass

import keras
import numpy as np

from maml_tf.learners import MetaLearner, PrototypicalNetwork


@dataclass(frozen=True)
class Accuracy:
    """A mean over episodes with half the width of its 95 % interval, both in 0 to 1."""

    mean: float
    ci95: float
    episodes: int

    def __str__(self) -> str:
        return f"{100 * self.mean:.2f} ± {100 * self.ci95:.2f} %"


def mean_with_interval(values: Iterable[float]) -> Accuracy:
    """Mean and normal 95 % interval of independent episodes' accuracies.

    Raises:
        ValueError: for fewer than two episodes, of which no interval can be had.

    Example:

    >>> print(mean_with_interval([0.5, 0.7, 0.9, 0.7]))
    70.00 ± 16.00 %
    """
    array = np.asarray(list(values), "float64")
    if len(array) < 2:
        raise ValueError(f"An interval needs two episodes or more, not {len(array)}.")
    half = 1.96 * array.std(ddof=1) / np.sqrt(len(array))
    return Accuracy(float(array.mean()), float(half), len(array))


def episode_accuracies(learner: MetaLearner, episodes: Iterable) -> np.ndarray:
    """The share of right queries in each episode, `[episodes]`.

    Args:
        learner: adapts to every support set anew; nothing is trained.
        episodes: batches `(x, y)` of tasks, a finite dataset.
    """
    shares: list[np.ndarray] = []
    for x, y in episodes:
        learner.build_from_episode(x)
        guesses = np.argmax(learner.predict_on_batch(x), axis=-1)
        shares.append((guesses == np.asarray(y)).mean(axis=-1))
    return np.concatenate(shares)


def frozen_prototypes(base_learner: keras.Model) -> PrototypicalNetwork:
    """The baseline: nearest prototype under the base learner's own encoder.

    A text classifier is stripped of its head. Vectors are compared by cosine.
    """
    encoder = getattr(base_learner, "encoder", base_learner)
    return PrototypicalNetwork(encoder, distance="cosine", scale=10.0)
