"""Probabilities that mean what they say, and a threshold for "I do not know"."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maml_tf.evaluation.scope_rule import ScopeRule


@dataclass(frozen=True)
class Calibration:
    """What turns a learner's logits into probabilities and in or out of scope.

    Attributes:
        temperature: logits are divided by it before the softmax (Guo et al. 2017,
            arXiv 1706.04599).
        threshold: a query whose largest logit is below it is out of scope. The
            largest logit and not the largest probability: a sentence about something
            else may be nearer to one intent than to the others and far from all. A
            number for bots of one kind, or a rule that reads each bot's off its
            examples.

    Example:

    >>> calibration = Calibration(temperature=2.0, threshold=-1.0)
    >>> calibration.in_scope(np.array([[-0.5, -3.0], [-2.0, -9.0]])).tolist()
    [True, False]
    >>> calibration.probabilities(np.array([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """

    temperature: float
    threshold: float | ScopeRule

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """The calibrated probabilities, of the shape of `logits`."""
        return softmax(np.asarray(logits, "float64") / self.temperature)

    def in_scope(
        self, logits: np.ndarray, features: np.ndarray | None = None
    ) -> np.ndarray:
        """Whether each query belongs to any class, `[...]` of logits `[..., ways]`.

        Args:
            logits: of the queries.
            features: the bot's `support_features`, which a rule needs.
        """
        return scope_scores(logits) >= np.asarray(self.threshold_of(features))

    def threshold_of(self, features: Any = None) -> Any:
        """The threshold of the bot with these `support_features`."""
        if not isinstance(self.threshold, ScopeRule):
            return self.threshold
        if features is None:
            raise ValueError("A scope rule needs the support_features of the bot.")
        return self.threshold.threshold(features)

    def save(self, path: str | Path) -> None:
        """Writes temperature and threshold as JSON."""
        Path(path).write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def from_json(cls, held: Mapping[str, Any]) -> "Calibration":
        """The calibration whose fields, as `save` writes them, are `held`."""
        threshold = held["threshold"]
        if isinstance(threshold, Mapping):
            rule = ScopeRule(tuple(map(float, threshold["coefficients"])))
            return cls(float(held["temperature"]), rule)
        return cls(float(held["temperature"]), float(threshold))

    @classmethod
    def load(cls, path: str | Path) -> "Calibration":
        """Reads what `save` wrote.

        Raises:
            ValueError: if the file does not hold a temperature and a threshold.
        """
        try:
            return cls.from_json(json.loads(Path(path).read_text(encoding="utf-8")))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} holds no calibration, a temperature and a threshold; fit it "
                "again."
            ) from error


def fit_calibration(
    logits: np.ndarray,
    labels: np.ndarray,
    out_of_scope_logits: np.ndarray | None = None,
    *,
    recall: float = 0.95,
) -> Calibration:
    """Chooses temperature and threshold on validation episodes.

    Args:
        logits: `[queries, ways]` of queries that belong to one of the ways.
        labels: `[queries]`, which.
        out_of_scope_logits: `[others, ways]` of queries that belong to none, or None.
            With them the threshold is where the share of wrong sides, averaged over
            both kinds, is smallest; without, where `recall` of the queries pass.
        recall: see above, between 0 and 1.

    Raises:
        ValueError: for no queries, or a recall out of range.

    Example:

    >>> logits = np.array([[2.0, 0], [0, 2.0], [2.0, 0], [0, 2.0]])
    >>> fitted = fit_calibration(logits, np.array([0, 1, 0, 0]), np.array([[1.0, 0.9]]))
    >>> round(fitted.temperature, 2), fitted.threshold
    (1.82, 1.5)
    """
    logits, labels = np.asarray(logits, "float64"), np.asarray(labels)
    if logits.ndim != 2 or len(logits) != len(labels) or not len(labels):
        raise ValueError(
            "Calibration needs logits [queries, ways] with a label each, not "
            f"{logits.shape} and {labels.shape}."
        )
    if not 0 < recall < 1:
        raise ValueError(f"recall={recall} must be between 0 and 1.")
    scores = scope_scores(logits)
    if out_of_scope_logits is None:
        threshold = float(np.quantile(scores, 1 - recall))
    else:
        threshold = _balanced_threshold(scores, scope_scores(out_of_scope_logits))
    return Calibration(fit_temperature(logits, labels), threshold)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Minimises the cross-entropy, which is convex in 1/temperature, by halving.

    Args:
        logits: `[queries, ways]`; minus infinity where a query has fewer ways.
        labels: int `[queries]`.
    """
    low, high = np.log(1e-3), np.log(1e3)
    golden = (np.sqrt(5) - 1) / 2
    while high - low > 1e-6:
        left, right = high - golden * (high - low), low + golden * (high - low)
        if _cross_entropy(logits, labels, left) < _cross_entropy(logits, labels, right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def _cross_entropy(logits: np.ndarray, labels: np.ndarray, log_t: float) -> float:
    shifted = logits / np.exp(log_t)
    shifted = shifted - shifted.max(axis=-1, keepdims=True)
    totals = np.log(np.exp(shifted).sum(axis=-1))
    return float(np.mean(totals - shifted[np.arange(len(labels)), labels]))


def _balanced_threshold(inside: np.ndarray, outside: np.ndarray) -> float:
    values = np.unique(np.concatenate([inside, outside]))
    middles = np.concatenate([[values[0] - 1], (values[1:] + values[:-1]) / 2])
    missed = np.searchsorted(np.sort(inside), middles) / len(inside)
    passed = 1 - np.searchsorted(np.sort(outside), middles) / len(outside)
    return float(middles[np.argmin(missed + passed)])


def softmax(logits: np.ndarray) -> np.ndarray:
    """Along the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def scope_scores(logits: np.ndarray) -> np.ndarray:
    """The largest logit of each query: how near it is to the nearest class."""
    return np.asarray(logits, "float64").max(axis=-1)


def area_under_roc(inside: np.ndarray, outside: np.ndarray) -> float:
    """The chance that a query of a class scores above one of none; ties count half.

    >>> area_under_roc(np.array([3.0, 2.0]), np.array([1.0, 2.0]))
    0.875
    """
    ordered = np.sort(outside)
    below = np.searchsorted(ordered, inside, "left")
    up_to = np.searchsorted(ordered, inside, "right")
    return float((below + up_to).mean() / 2 / len(ordered))


def false_positive_rate(
    inside: np.ndarray, outside: np.ndarray, recall: float = 0.95
) -> float:
    """The share of `outside` that passes where `recall` of `inside` does.

    >>> false_positive_rate(np.arange(100.0), np.array([-1.0, 4.0, 7.0, 50.0]))
    0.5
    """
    ordered = np.sort(inside)
    threshold = ordered[len(ordered) - int(np.ceil(recall * len(ordered)))]
    return float(np.mean(np.asarray(outside) >= threshold))


def expected_calibration_error(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = 15
) -> float:
    """How far confidence is from accuracy, averaged over equal bins of confidence.

    Args:
        probabilities: `[queries, ways]`.
        labels: `[queries]`.
        bins: of equal width.

    Example:

    >>> p = np.array([[0.9, 0.1], [0.9, 0.1]])
    >>> round(expected_calibration_error(p, np.array([0, 1])), 3)
    0.4
    """
    confidence = probabilities.max(axis=-1)
    right = probabilities.argmax(axis=-1) == labels
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(index, right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))
