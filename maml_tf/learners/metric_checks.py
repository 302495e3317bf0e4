"""Metrics that Keras has no way to compute of class numbers, told of before tracing."""

from typing import Any

import keras
import numpy as np

from maml_tf.learners.episode_checks import EpisodeError

# Each compares targets and predictions place by place.
OF_ONE_HOT_ROWS = (
    keras.metrics.FBetaScore,
    keras.metrics.Precision,
    keras.metrics.Recall,
    keras.metrics.AUC,
    keras.metrics.CategoricalAccuracy,
    keras.metrics.TopKCategoricalAccuracy,
    keras.metrics.CategoricalCrossentropy,
)


def check_metrics(metrics: Any, y: Any, classes: int | None) -> None:
    """Refuses metrics of one-hot rows where the query targets are class numbers.

    Args:
        metrics: what `compile` was given, a nest of names and metrics.
        y: query targets `[tasks, query, ...]`.
        classes: how many places a prediction has; None where it is not known.

    Raises:
        EpisodeError: naming the metric and what to do.

    Example:

    >>> check_metrics([keras.metrics.F1Score()], np.array([[0, 1, 2]]), 3)
    Traceback (most recent call last):
        ...
    maml_tf.learners.episode_checks.EpisodeError: The metric F1Score wants one-hot \
query targets, [tasks, query, 3], and these are class numbers, [tasks, query]. Give y \
as keras.utils.to_categorical(y, 3) with keras.losses.CategoricalCrossentropy(\
from_logits=True), or take a metric of class numbers, such as "accuracy".
    """
    if np.ndim(y) != 2 or classes is None or classes < 2:
        return
    for metric in keras.tree.flatten(metrics):
        if isinstance(metric, str) and metric not in ("accuracy", "acc"):
            metric = keras.metrics.get(metric)
        name = getattr(metric, "__name__", type(metric).__name__)
        of_one_hot = isinstance(metric, OF_ONE_HOT_ROWS) or name in (
            "categorical_accuracy",
            "top_k_categorical_accuracy",
            "categorical_crossentropy",
        )
        if of_one_hot:
            raise EpisodeError(
                f"The metric {name} wants one-hot query targets, "
                f"[tasks, query, {classes}], and these are class numbers, "
                f"[tasks, query]. Give y as keras.utils.to_categorical(y, {classes}) "
                "with keras.losses.CategoricalCrossentropy(from_logits=True), or take "
                'a metric of class numbers, such as "accuracy".'
            )
