"""The threshold below which a bot says "I do not know", from what it was taught."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

FEATURES = 7
# Least squares with weights converge to the smallest pinball loss within a few dozen.
_ROUNDS = 100
_LEAST_RESIDUAL = 1e-6


@dataclass(frozen=True)
class ScopeRule:
    """A threshold on the largest logit that fits each bot.

    How near a question of a bot's own comes to its intent depends on how many examples
    the bot has and how they scatter: with one example for each intent, a threshold that
    suits five turns most questions away. So the threshold is linear in what can be read
    off the examples themselves, `support_features`.

    Attributes:
        coefficients: of `support_features`, seven numbers.

    Example:

    >>> rule = ScopeRule((-1.0, 0.5, 0, 0, 0, 0, 0))
    >>> support = tf.constant([[3.0, 0.0], [0.0, 2.0], [0.0, 2.0]])
    >>> float(rule.threshold(support_features(support, tf.constant([0, 1, 1]))))
    -0.625
    """

    coefficients: tuple[float, ...]

    def __post_init__(self) -> None:
        if (
            len(self.coefficients) != FEATURES
            or not np.isfinite(np.asarray(self.coefficients, "float64")).all()
        ):
            raise ValueError(
                f"A scope rule has {FEATURES} finite coefficients, not "
                f"{self.coefficients!r}."
            )

    def threshold(self, features: Any) -> tf.Tensor:
        """The least logit of a question in scope, of `support_features`."""
        features = tf.convert_to_tensor(features)
        coefficients = tf.constant(self.coefficients, features.dtype)
        return tf.reduce_sum(features * coefficients, axis=-1)


def support_features(logits: Any, numbers: Any) -> tf.Tensor:
    """What a threshold depends on, `[7]`, read off a bot's own examples.

    With k the examples of a class, own the mean logit of the examples for their own
    class and other that for the likeliest other class: 1, 1/k, log of the number of
    classes, own, own/k, other and other/k, where 1/k, own and other are means over the
    classes. An example has taken part in its own logit, the more the fewer there are,
    which the products with 1/k undo.

    Args:
        logits: float `[examples, classes]`: what a bot answers to the examples that it
            was taught.
        numbers: int `[examples]`, the class of each; every class has one.
    """
    logits = tf.convert_to_tensor(logits)
    classes = tf.shape(logits)[1]
    members = tf.one_hot(tf.cast(numbers, tf.int32), classes, dtype=logits.dtype)
    counts = tf.reduce_sum(members, axis=0)
    own = tf.reduce_sum(logits * members, axis=1)
    other = tf.reduce_max(tf.where(members > 0, logits.dtype.min, logits), axis=1)
    # A lone class, to be told from what is for none, is its own neighbour.
    other = tf.where(classes > 1, other, own)
    fewness = tf.reduce_mean(1 / counts)
    own, other = (
        tf.reduce_mean(tf.linalg.matvec(members, values, transpose_a=True) / counts)
        for values in (own, other)
    )
    ways = tf.math.log(tf.cast(classes, logits.dtype))
    one = tf.ones((), logits.dtype)
    return tf.stack(
        [one, fewness, ways, own, own * fewness, other, other * fewness], axis=-1
    )


def fit_scope_rule(
    features: Sequence[np.ndarray] | np.ndarray,
    scores: Sequence[np.ndarray],
    *,
    recall: float = 0.9,
) -> ScopeRule:
    """The rule under which `recall` of a bot's own questions are in scope.

    A quantile regression (Koenker and Bassett 1978): of every kind of bot that the
    features tell apart, not only of all together, the share is met.

    Args:
        features: `[bots, 7]`.
        scores: of each bot the largest logits of its own questions, `[questions]`.
        recall: between 0 and 1.

    Raises:
        ValueError: without a question, or for a recall out of range.

    Example:

    >>> features = np.array([[1, 1.0, 0, 0, 0, 0, 0], [1, 0.5, 0, 0, 0, 0, 0]])
    >>> scores = [np.linspace(0, 10, 1001), np.linspace(2, 3, 1001)]
    >>> rule = fit_scope_rule(features, scores)
    >>> rule.threshold(features).numpy().round(1).tolist()
    [1.0, 2.1]
    """
    if not 0 < recall < 1:
        raise ValueError(f"recall={recall} must be between 0 and 1.")
    if not len(scores) or not all(len(one) for one in scores):
        raise ValueError("A scope rule is fitted to bots with a question each or more.")
    counts = [len(one) for one in scores]
    rows = np.repeat(np.asarray(features, "float64"), counts, axis=0)
    targets = np.concatenate([np.asarray(one, "float64") for one in scores])
    # A bot that is asked much says no more of the rule than another.
    weights = np.repeat(1 / np.array(counts), counts)
    coefficients = np.zeros(FEATURES)
    for _ in range(_ROUNDS):
        residuals = targets - rows @ coefficients
        slopes = np.where(residuals < 0, recall, 1 - recall) * weights
        root = np.sqrt(slopes / np.maximum(np.abs(residuals), _LEAST_RESIDUAL))
        coefficients = np.linalg.lstsq(
            rows * root[:, np.newaxis], targets * root, rcond=1e-10
        )[0]
    return ScopeRule(tuple(float(value) for value in coefficients))
