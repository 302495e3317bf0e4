"""What a learner says has to be numbers before anything is measured by it."""

from typing import Any

import numpy as np


class EvaluationError(ValueError):
    """Predictions, or vectors, that nothing can be measured by."""


def checked_predictions(predictions: Any) -> np.ndarray:
    """Predictions `[..., classes]` as an array, each with a likeliest class.

    Raises:
        EvaluationError: for NaN, of which there is no largest, and for infinity. Minus
            infinity may stand for classes that are impossible.

    Example:

    >>> checked_predictions([[0.0, float("-inf")], [float("nan"), 1.0]])
    Traceback (most recent call last):
    maml_tf.evaluation.finite.EvaluationError: 1 of 2 predictions are NaN or infinite,
    so nothing can be measured by them; the learner has diverged, or its inputs are
    broken.
    """
    array = np.asarray(predictions)
    usable = np.isfinite(array.max(axis=-1))
    if not usable.all():
        raise EvaluationError(
            f"{np.sum(~usable)} of {usable.size} predictions are NaN or infinite, so "
            "nothing can be measured by them; the learner has diverged, or its inputs "
            "are broken."
        )
    return array


def checked_vectors(vectors: np.ndarray) -> np.ndarray:
    """Vectors `[examples, dim]`, which have to be finite.

    Raises:
        EvaluationError: for NaN and infinity.
    """
    usable = np.isfinite(vectors).all(axis=-1)
    if not usable.all():
        raise EvaluationError(
            f"{np.sum(~usable)} of {usable.size} vectors of the encoder hold NaN or "
            "infinity, so nothing can be measured by them; training has diverged, or "
            "the inputs are broken."
        )
    return vectors
