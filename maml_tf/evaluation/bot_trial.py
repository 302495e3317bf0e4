"""A bot tried on sentences whose intents are known: a test file's, or its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

FOLDS = 5


class TeachableBot(Protocol):
    """What learns from sentences and answers others; `maml_tf.Bot` is one."""

    def fit(self, texts: Sequence[str], labels: Sequence[str], /) -> Any: ...

    def answer(self, texts: Sequence[str], /) -> Any:
        """Has `intents`, `probabilities` and `in_scope`, one entry a text each."""


@dataclass(frozen=True)
class Tried:
    """One sentence and what the bot made of it.

    Attributes:
        text: the sentence.
        label: its intent; None if it belongs to none that the bot had been taught.
        intent: the likeliest one to the bot.
        confidence: the probability of that one.
        in_scope: whether the bot would have answered at all.
    """

    text: str
    label: str | None
    intent: str
    confidence: float
    in_scope: bool


def try_on(
    bot: TeachableBot,
    examples: Sequence[tuple[str, str]],
    questions: Sequence[tuple[str, str | None]],
) -> list[Tried]:
    """Teaches the examples and asks the questions.

    Args:
        bot: forgets what it knew before.
        examples: pairs of text and intent.
        questions: the same; an intent that the examples lack counts as none.
    """
    if not questions:
        return []
    texts, labels = map(list, zip(*examples, strict=True))
    bot.fit(texts, labels)
    answers = bot.answer([text for text, _ in questions])
    known = set(labels)
    return [
        Tried(text, label if label in known else None, intent, float(chance), bool(own))
        for (text, label), intent, chance, own in zip(
            questions,
            answers.intents,
            answers.probabilities.max(axis=1),
            answers.in_scope,
            strict=True,
        )
    ]


def cross_validate(
    bot: TeachableBot,
    examples: Sequence[tuple[str, str]],
    *,
    folds: int = FOLDS,
    seed: int = 0,
) -> list[Tried]:
    """Every example asked of a bot that was taught all but a share of them.

    An intent loses about its share of examples in each fold, and always keeps one: an
    intent's only example is taught every time and asked never.

    Args:
        bot: forgets what it knew before.
        examples: pairs of text and intent.
        folds: the number of shares, and of times that the bot is taught.
        seed: fixes the shares.
    """
    share = _shares([label for _, label in examples], folds, seed)
    tried = []
    for fold in range(folds):
        asked = [e for e, s in zip(examples, share, strict=True) if s == fold]
        taught = [e for e, s in zip(examples, share, strict=True) if s != fold]
        tried += try_on(bot, taught, list(asked))
    return tried


def leave_intents_out(
    bot: TeachableBot,
    examples: Sequence[tuple[str, str]],
    *,
    folds: int = FOLDS,
    seed: int = 0,
) -> list[Tried]:
    """Every example asked of a bot that was taught nothing of its intent.

    What such a bot ought to say is "I don't know". There is nothing to try with fewer
    than three intents.

    Args:
        bot: forgets what it knew before.
        examples: pairs of text and intent.
        folds: how many groups of intents are left out in turn, at most; two intents
            stay each time.
        seed: fixes the groups.
    """
    intents = sorted({label for _, label in examples})
    if len(intents) < 3:
        return []
    np.random.default_rng(seed).shuffle(intents)
    # As many groups as leave two intents or more outside of each.
    groups = next(g for g in (folds, len(intents)) if _kept(len(intents), g) >= 2)
    tried = []
    for group in range(groups):
        out = set(intents[group::groups])
        asked = [e for e in examples if e[1] in out]
        tried += try_on(bot, [e for e in examples if e[1] not in out], list(asked))
    return tried


def _kept(intents: int, groups: int) -> int:
    return intents - -(-intents // groups)


def _shares(labels: Sequence[str], folds: int, seed: int) -> list[int]:
    """The fold in which each example is asked; -1 for never."""
    draw = np.random.default_rng(seed)
    share = np.full(len(labels), -1)
    named = np.array(labels)
    for place, label in enumerate(sorted(set(labels))):
        rows = draw.permutation(np.flatnonzero(named == label))
        if len(rows) > 1:
            # Each intent begins with another fold, so that folds are of like size.
            share[rows] = (np.arange(len(rows)) + place) % folds
    return share.tolist()
