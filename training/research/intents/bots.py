"""Whole bots: all intents of a domain or data set at once, and out-of-scope texts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maml_tf.evaluation import mean_with_interval
from maml_tf.evaluation.calibration import (
    Calibration,
    area_under_roc,
    expected_calibration_error,
    false_positive_rate,
    fit_calibration,
    scope_scores,
    softmax,
)

SCALE = 10.0


@dataclass(frozen=True)
class BotTexts:
    """Vectors of the texts that bots are made of and asked with.

    Attributes:
        support, support_labels: `[texts, dim]` and the class of each, to learn from.
        query, query_labels: the same, to be judged on.
        out_of_scope: `[texts, dim]` of none of the classes.
    """

    support: np.ndarray
    support_labels: np.ndarray
    query: np.ndarray
    query_labels: np.ndarray
    out_of_scope: np.ndarray


@dataclass(frozen=True)
class BotLogits:
    """What one bot says to its queries and to out-of-scope texts.

    Attributes:
        logits: `[queries, ways]`.
        labels: `[queries]`, the right column of each.
        outside: `[texts, ways]`.
    """

    logits: np.ndarray
    labels: np.ndarray
    outside: np.ndarray


def bot_logits(
    texts: BotTexts,
    classes: Sequence[str],
    shots: int,
    random: np.random.Generator,
    scale: float = SCALE,
) -> BotLogits:
    """Teaches a bot `shots` random examples of each class and asks it everything.

    Args:
        texts: to draw from; vectors of length 1.
        classes: the bot's intents.
        shots: examples of each.
        random: draws the examples.
        scale: on minus the squared distance, as in a prototypical network.

    Example:

    >>> eye = np.eye(3)
    >>> names = np.array(list("abc"))
    >>> texts = BotTexts(eye, names, eye, names, eye[2:])
    >>> bot_logits(texts, "ab", 1, np.random.default_rng(0)).logits.argmax(-1).tolist()
    [0, 1]
    """
    prototypes = []
    for name in classes:
        rows = np.flatnonzero(texts.support_labels == name)
        mean = texts.support[random.choice(rows, shots, replace=False)].mean(axis=0)
        prototypes.append(mean / np.linalg.norm(mean))
    matrix = np.stack(prototypes).T
    wanted = np.isin(texts.query_labels, list(classes))
    order = {name: column for column, name in enumerate(classes)}
    return BotLogits(
        2 * scale * (texts.query[wanted] @ matrix - 1),
        np.array([order[name] for name in texts.query_labels[wanted]]),
        2 * scale * (texts.out_of_scope @ matrix - 1),
    )


def calibrate(bots: Sequence[BotLogits]) -> Calibration:
    """Temperature and threshold from validation bots of equal ways."""
    return fit_calibration(
        np.concatenate([bot.logits for bot in bots]),
        np.concatenate([bot.labels for bot in bots]),
        np.concatenate([bot.outside for bot in bots]),
    )


def bot_measures(bot: BotLogits, calibration: Calibration) -> dict[str, float]:
    """Accuracy, scope detection and calibration of one bot; all between 0 and 1.

    `accuracy_with_rejection` counts a query as right if its class is named and it is
    not turned away, an out-of-scope text if it is; both kinds weigh the same.
    """
    right = bot.logits.argmax(axis=-1) == bot.labels
    inside, outside = scope_scores(bot.logits), scope_scores(bot.outside)
    accepted = calibration.in_scope(bot.logits)
    turned_away = ~calibration.in_scope(bot.outside)
    probabilities = calibration.probabilities(bot.logits)
    return {
        "accuracy": float(right.mean()),
        "auroc": area_under_roc(inside, outside),
        "false_positive_rate_at_95": false_positive_rate(inside, outside),
        "accuracy_with_rejection": float(
            ((right & accepted).mean() + turned_away.mean()) / 2
        ),
        "calibration_error_before": expected_calibration_error(
            softmax(bot.logits), bot.labels
        ),
        "calibration_error_after": expected_calibration_error(
            probabilities, bot.labels
        ),
    }


def mean_measures(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Means over bots, and the 95 % interval of the accuracy."""
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    means["ci95"] = mean_with_interval(row["accuracy"] for row in rows).ci95
    return {name: round(value, 5) for name, value in means.items()}
