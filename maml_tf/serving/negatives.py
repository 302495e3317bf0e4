"""Examples of what is for no intent, and thresholds of single intents.

A negative example is one labelled `NEGATIVE`. Each is a class of its own to the model,
for they have nothing in common: a query that is nearer to one of them than to any
intent is out of scope.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from maml_tf.serving.results import Answers, RequestError

# No word, so that no model takes it for the name of an intent.
NEGATIVE = "(none)"
_PREFIX = f"{NEGATIVE}/"


def as_classes(labels: Sequence[Any]) -> list[Any]:
    """Labels in which every negative example has one of its own.

    Raises:
        RequestError: if no label is an intent's.

    Example:

    >>> as_classes(["pay", NEGATIVE, NEGATIVE])
    ['pay', '(none)/1', '(none)/2']
    """
    found, number = [], 0
    for label in labels:
        if label in (NEGATIVE, NEGATIVE.encode()):
            number += 1
            label = f"{_PREFIX}{number}"
        found.append(label)
    if number == len(found) > 0:
        raise RequestError("All examples are negative; give examples of an intent.")
    return found


def without_negatives(answers: Answers) -> Answers:
    """Answers with intents alone; what is nearest to a negative example is none.

    The probabilities of a query then add up to less than 1; the rest is that it is for
    no intent.

    Example:

    >>> found = without_negatives(Answers(["(none)/1"], np.array([[0.7, 0.3]]),
    ...                                   np.array([True]), ["(none)/1", "pay"]))
    >>> found.intents, found.in_scope.tolist(), found.probabilities.tolist()
    (['pay'], [False], [[0.3]])
    """
    kept = [n for n, c in enumerate(answers.class_names) if not c.startswith(_PREFIX)]
    if len(kept) == len(answers.class_names):
        return answers
    names = [answers.class_names[number] for number in kept]
    chances = answers.probabilities[:, kept]
    is_intent = [not intent.startswith(_PREFIX) for intent in answers.intents]
    return Answers(
        [names[number] for number in chances.argmax(axis=1)],
        chances,
        answers.in_scope & np.array(is_intent, bool),
        names,
    )


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
        if not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
            raise RequestError(
                f"The threshold of {intent!r} must be between 0 and 1, not "
                f"{threshold!r}."
            )
    top = answers.probabilities.max(axis=1)
    in_scope = [
        chance >= thresholds[intent] if intent in thresholds else bool(known)
        for intent, chance, known in zip(
            answers.intents, top, answers.in_scope, strict=True
        )
    ]
    return Answers(
        answers.intents,
        answers.probabilities,
        np.array(in_scope, bool),
        answers.class_names,
    )
