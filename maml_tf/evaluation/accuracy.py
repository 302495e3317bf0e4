"""Accuracy per episode, its mean and 95 % interval, and the frozen baseline."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from maml_tf.base_learners.contracts import OnEncoder
from maml_tf.episodes import EncodedCorpus, episode_dataset
from maml_tf.evaluation.answering import answering
from maml_tf.evaluation.features import embed_once
from maml_tf.evaluation.finite import checked_predictions
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


def episode_accuracies(
    learner: MetaLearner,
    encoded: EncodedCorpus,
    *,
    ways: int,
    shots: int,
    queries: int,
    episodes: int,
    seed: int = 0,
    tasks_per_batch: int = 2,
    progress: bool = False,
    **adapt_options: Any,
) -> np.ndarray:
    """The share of right queries in each of a number of episodes, `[episodes]`.

    The same seed draws the same episodes for any learner. Where adaptation leaves the
    encoder alone, each text is encoded once for all episodes.

    Args:
        learner: adapts to every support set anew; nothing is trained.
        encoded: the corpus; classes with too few rows are left out.
        ways, shots, queries: the shape of a task.
        episodes: how many.
        seed: fixes the draws.
        tasks_per_batch: tasks at once, where the encoder has to run.
        progress: show a bar.
        adapt_options: passed to the learner's `adapt`, such as MAML's `steps`.

    Raises:
        SamplingError: if too few classes are large enough.
        EvaluationError: if predictions are NaN, which the first class would be read
            from, or infinite.

    Example:

    >>> rows = np.repeat(np.eye(3, dtype="float32"), 4, axis=0)
    >>> data = EncodedCorpus(rows, np.repeat(np.arange(3), 4), ("a", "b", "c"))
    >>> network = PrototypicalNetwork(keras.Sequential([keras.layers.Identity()]))
    >>> episode_accuracies(network, data, ways=2, shots=1, queries=2, episodes=3)
    array([1., 1., 1.])
    """

    def draw(data: EncodedCorpus) -> tf.data.Dataset:
        return episode_dataset(
            data,
            ways=ways,
            shots=shots,
            queries=queries,
            tasks_per_batch=tasks_per_batch,
            seed=seed,
            steps=-(-episodes // tasks_per_batch),
            drop_small_classes=True,
        )

    learner.build_from_episode(next(iter(draw(encoded)))[0])
    learner, encoded = embed_once(learner, encoded, draw)

    answer = answering(learner, adapt_options)
    bar = keras.utils.Progbar(episodes, unit_name="episode", verbose=int(progress))
    shares: list[np.ndarray] = []
    for x, y in draw(encoded):
        guesses = np.argmax(checked_predictions(answer(x)), axis=-1)
        shares.append((guesses == np.asarray(y)).mean(axis=-1))
        bar.update(min(len(shares) * tasks_per_batch, episodes))
    return np.concatenate(shares)[:episodes]


def frozen_prototypes(base_learner: keras.Model) -> PrototypicalNetwork:
    """The baseline: nearest prototype under the base learner's own encoder.

    A text classifier is stripped of its head. Vectors are compared by cosine.
    """
    on_one = isinstance(base_learner, OnEncoder)
    encoder = base_learner.encoder if on_one else base_learner
    return PrototypicalNetwork(encoder, distance="cosine", scale=10.0)
