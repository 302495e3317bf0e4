"""Thresholds of single intents."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from maml_tf.serving.results import Answers, RequestError


def with_thresholds(answers: Answers, thresholds: Mapping[str, float]) -> Answers:
    """Answers in which some intents are in scope from a probability of their own.

    Args:
        answers: as the model gave them.
        thresholds: probabilities by intent; the other intents go by the model.

    Raises:
        RequestError: if an intent is none of the bot's, or a threshold is no
            probability.

    Example:

    >>> found = with_thresholds(Answers(["pay"], np.array([[0.7, 0.3]]),
    ...                                 np.array([True]), ["pay", "go"]), {"pay": 0.8})
    >>> found.in_scope.tolist()
    [False]
    """
    if not thresholds:
        return answers
    for intent, threshold in thresholds.items():
        if intent not in answers.class_names:
            raise RequestError(
                f"thresholds names {intent!r}, which is no intent of this bot; it has "
                f"{', '.join(answers.class_names)}."
            )
        check_threshold(intent, threshold)
    top = answers.probabilities.max(axis=1)
    in_scope = [
        chance >= thresholds[intent] if intent in thresholds else bool(known)
        for intent, chance, known in zip(
            answers.intents, top, answers.in_scope, strict=True
        )
    ]
    return replace(answers, in_scope=np.array(in_scope, bool))


def check_threshold(intent: str, threshold: float) -> None:
    """Refuses what is no probability.

    Raises:
        RequestError: naming the intent.

    Example:

    >>> check_threshold("pay", 0.8)
    """
    if not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
        raise RequestError(
            f"The threshold of {intent!r} must be between 0 and 1, not {threshold!r}."
        )
