"""Whole bots: all intents of a domain or data set at once, and out-of-scope texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from maml_tf.evaluation import mean_over_clusters
from maml_tf.evaluation.calibration import (
    Calibration,
    area_under_roc,
    expected_calibration_error,
    false_positive_rate,
    fit_calibration,
    scope_scores,
    softmax,
)
from maml_tf.evaluation.vector_episodes import cosine_logits, cosine_prototypes

SCALE = 10.0
# Validation bots that calibrate one bot.
MOST_VALIDATION_BOTS = 20
Measures = dict[str, float]


@dataclass(frozen=True)
class BotTexts:
    """Vectors of the texts that bots are made of and asked with.

    Attributes:
        support, support_labels: `[texts, dim]` and the class of each, to learn from.
        query, query_labels: the same, to be judged on.
        out_of_scope: `[texts, dim]` of none of the classes.
        names: the vector of each class' name, which is then one more example of it.
    """

    support: np.ndarray
    support_labels: np.ndarray
    query: np.ndarray
    query_labels: np.ndarray
    out_of_scope: np.ndarray
    names: Mapping[str, np.ndarray] | None = None


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
    taught = np.concatenate(
        [
            random.choice(
                np.flatnonzero(texts.support_labels == name), shots, replace=False
            )
            for name in classes
        ]
    )
    labels = np.repeat(np.arange(len(classes)), shots)
    support = texts.support[taught]
    if texts.names is not None:
        support = np.concatenate([support, [texts.names[name] for name in classes]])
        labels = np.concatenate([labels, np.arange(len(classes))])
    prototypes = cosine_prototypes(support, labels)
    wanted = np.isin(texts.query_labels, list(classes))
    order = {name: column for column, name in enumerate(classes)}
    return BotLogits(
        cosine_logits(prototypes, texts.query[wanted], scale),
        np.array([order[name] for name in texts.query_labels[wanted]]),
        cosine_logits(prototypes, texts.out_of_scope, scale),
    )


def calibrate(bots: Sequence[BotLogits]) -> Calibration:
    """Temperature and threshold from validation bots of equal ways."""
    return fit_calibration(
        np.concatenate([bot.logits for bot in bots]),
        np.concatenate([bot.labels for bot in bots]),
        np.concatenate([bot.outside for bot in bots]),
    )


def bot_measures(bot: BotLogits, calibration: Calibration) -> Measures:
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


def bots_measures(
    validation: BotTexts,
    test: BotTexts,
    shots: int,
    draws: int,
    *,
    seed: int,
    ways: int | None = None,
) -> list[Measures]:
    """What `draws` bots with other support sets are worth.

    Args:
        validation: texts of the bots that calibrate.
        test: texts of the bots that are judged.
        shots: examples of each intent.
        draws: how many bots.
        seed: fixes support sets and, with `ways`, the intents.
        ways: intents of a bot, drawn anew for each; all if None.
    """
    random = np.random.default_rng(seed)

    def bots(texts: BotTexts, count: int) -> list[BotLogits]:
        names = np.unique(texts.query_labels)
        return [
            bot_logits(
                texts,
                list(names if ways is None else random.choice(names, ways, False)),
                shots,
                random,
            )
            for _ in range(count)
        ]

    calibration = calibrate(bots(validation, min(draws, MOST_VALIDATION_BOTS)))
    return [bot_measures(bot, calibration) for bot in bots(test, draws)]


def mean_measures(
    rows: Sequence[Measures], domains: Sequence[str]
) -> dict[str, float | str]:
    """Means over domains, and the 95 % interval of the accuracy.

    Bots of one domain are alike, however many are drawn, so the interval is that over
    domains. Of a single domain, nothing can be said of others: the interval is then
    over its bots' support sets, as `interval_over` says.

    Args:
        rows: of each bot, what `bot_measures` gives.
        domains: the domain of each.
    """
    one = len(set(domains)) == 1
    clusters = list(map(str, range(len(rows)))) if one else list(domains)
    scores = {
        name: mean_over_clusters([row[name] for row in rows], clusters)
        for name in rows[0]
    }
    return {
        **{name: round(score.mean, 5) for name, score in scores.items()},
        "ci95": round(scores["accuracy"].ci95, 5),
        "interval_over": "support sets" if one else "domains",
    }
