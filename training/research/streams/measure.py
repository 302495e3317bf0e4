"""One learner on one stream: accuracies after each arrival, seconds, memory."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from maml_tf.evaluation.continual_metrics import (
    average_accuracy,
    backward_transfer,
    forgetting,
    forward_transfer,
)
from training.research.streams.learners import ContinualLearner
from training.research.streams.stream import Stream


def on_stream(
    make: Callable[[], ContinualLearner], stream: Stream, *, alone: bool = True
) -> dict[str, Any]:
    """Teaches every arrival once and asks about all groups so far after each.

    Args:
        make: a new learner.
        stream: see `Stream`.
        alone: also teach each group to a new learner, for forward transfer.

    Returns:
        Accuracies from 0 to 1, seconds, and megabytes of the vectors and weights held.
    """
    size, learner = len(stream.groups), make()
    table, within, single, seconds = (
        np.full((size, size), np.nan),
        np.zeros(size),
        np.zeros(size),
        np.zeros(size),
    )
    for arrival, rows in enumerate(stream.taught):
        start = time.perf_counter()
        learner.teach(stream.vectors[rows], stream.labels[rows])
        seconds[arrival] = time.perf_counter() - start
        asked = np.concatenate(stream.asked[: arrival + 1])
        scores = learner.scores(stream.vectors[asked])
        right = scores.argmax(axis=1) == stream.labels[asked]
        ends = np.cumsum([len(r) for r in stream.asked[:arrival]])
        table[arrival, : arrival + 1] = [part.mean() for part in np.split(right, ends)]
        own = scores[len(asked) - len(stream.asked[arrival]) :]
        within[arrival] = _among(own, stream, arrival)
        if alone:
            lonely = make()
            lonely.teach(stream.vectors[rows], stream.labels[rows])
            found = lonely.scores(stream.vectors[stream.asked[arrival]])
            single[arrival] = _among(found, stream, arrival)
    return {
        "curve": average_accuracy(table).round(5).tolist(),
        "accuracy": round(float(average_accuracy(table)[-1]), 5),
        "forgetting": round(forgetting(table), 5),
        "backward": round(backward_transfer(table), 5),
        "forward": round(forward_transfer(within, single), 5) if alone else None,
        "seconds": seconds.round(5).tolist(),
        "megabytes": round(learner.held() * 4 / 1e6, 3),
    }


def _among(scores: np.ndarray, stream: Stream, arrival: int) -> float:
    """Accuracy where only the intents of a group may be answered."""
    intents = stream.groups[arrival]
    guesses = intents[scores[:, intents].argmax(axis=1)]
    return float((guesses == stream.labels[stream.asked[arrival]]).mean())
