"""What a bot's builder wants to know: what it gets wrong, and which examples to add."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from maml_tf.episodes.same_text import text_key
from maml_tf.evaluation.bot_trial import Tried

NEARLY_THE_SAME = 0.95  # cosine of two sentences' vectors
ENOUGH = 5  # examples of an intent, where more help little by themselves
GOOD = 0.8  # share of an intent's questions that are recognised


@dataclass(frozen=True)
class Share:
    """So many of so many, with the 95 % interval of the share behind it (Wilson).

    Example:

    >>> str(Share(9, 10)), str(Share(0, 0))
    ('90 % (60 to 98 %)', 'not measured')
    """

    right: int
    of: int

    @property
    def value(self) -> float | None:
        """Between 0 and 1; None of nothing."""
        return self.right / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The lower and the upper end."""
        if not self.of:
            return None
        z, n, p = 1.959964, self.of, self.right / self.of
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(centre - half, 0.0), min(centre + half, 1.0)

    def __str__(self) -> str:
        if (ends := self.interval) is None:
            return "not measured"
        return f"{self.right / self.of:.0%} ({ends[0]:.0%} to {ends[1]:.0%})".replace(
            "%", " %"
        ).replace(" % to", " to")

    def to_json(self) -> dict[str, Any]:
        return {
            "right": self.right,
            "of": self.of,
            "share": self.value,
            "interval95": self.interval,
        }


@dataclass(frozen=True)
class IntentReport:
    """One intent: how many examples it has, and how it fares.

    Attributes:
        intent: its name.
        examples: how many it was taught by.
        recognised: its own questions that were taken for it.
        trusted: questions taken for it that were its own.
        advice: what to do about it; empty if nothing.
    """

    intent: str
    examples: int
    recognised: Share
    trusted: Share
    advice: str


@dataclass(frozen=True)
class Confusion:
    """Questions of one intent that were taken for another."""

    intent: str
    taken_for: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Twins:
    """Two examples that say nearly the same, and how near they are (cosine)."""

    texts: tuple[str, str]
    intents: tuple[str, str]
    similarity: float


@dataclass(frozen=True)
class BotReport:
    """All that is told of a bot.

    Attributes:
        method: where the questions come from.
        examples: how many the bot was taught.
        accuracy: questions of its intents whose likeliest intent is the right one.
        intents: the worst first.
        confusions: the most frequent first.
        contradictions: a text with all the intents it stands under, more than one.
        across: nearly the same examples of two intents, the nearest first.
        within: nearly the same examples of one intent; the second adds little.
        own_accepted: questions of its intents that the bot would answer.
        foreign_refused: questions of no intent of it that the bot would turn away.
        foreign_from: where those come from.
    """

    method: str
    examples: int
    accuracy: Share
    intents: tuple[IntentReport, ...]
    confusions: tuple[Confusion, ...]
    contradictions: tuple[tuple[str, tuple[str, ...]], ...]
    across: tuple[Twins, ...]
    within: tuple[Twins, ...]
    own_accepted: Share
    foreign_refused: Share
    foreign_from: str

    def to_json(self) -> dict[str, Any]:
        """The report as JSON can hold it."""
        return {
            **asdict(self),
            "accuracy": self.accuracy.to_json(),
            "own_accepted": self.own_accepted.to_json(),
            "foreign_refused": self.foreign_refused.to_json(),
            "contradictions": [
                {"text": text, "intents": intents}
                for text, intents in self.contradictions
            ],
            "intents": [
                {
                    **asdict(intent),
                    "recognised": intent.recognised.to_json(),
                    "trusted": intent.trusted.to_json(),
                }
                for intent in self.intents
            ],
        }


def make_report(
    examples: Sequence[tuple[str, str]],
    vectors: np.ndarray,
    tried: Sequence[Tried],
    foreign: Sequence[Tried],
    *,
    method: str,
    foreign_from: str,
) -> BotReport:
    """Counts what a trial says of a bot.

    Args:
        examples: the pairs of text and intent that the bot is taught by.
        vectors: of the examples' texts, `[examples, dim]`.
        tried: questions of the bot's intents.
        foreign: questions of none of them.
        method, foreign_from: where the two come from, in words.

    Example:

    >>> tried = [Tried("hi", "greet", "greet", 0.9, True),
    ...          Tried("ciao", "greet", "leave", 0.6, True)]
    >>> report = make_report([("hello", "greet"), ("bye", "leave")], np.eye(2), tried,
    ...                      [], method="a test file", foreign_from="")
    >>> report.accuracy.value, report.confusions[0].texts
    (0.5, ('ciao',))
    """
    across, within = near_twins(examples, vectors)
    return BotReport(
        method=method,
        examples=len(examples),
        accuracy=_share(t.intent == t.label for t in tried),
        intents=_by_intent(examples, tried),
        confusions=_confusions(tried),
        contradictions=contradictions(examples),
        across=across,
        within=within,
        own_accepted=_share(t.in_scope for t in tried),
        foreign_refused=_share(not t.in_scope for t in foreign),
        foreign_from=foreign_from,
    )


def contradictions(
    examples: Sequence[tuple[str, str]],
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Texts that stand under several intents, whatever their case and blanks.

    Example:

    >>> contradictions([("Yes", "agree"), ("yes ", "confirm"), ("no", "deny")])
    (('Yes', ('agree', 'confirm')),)
    """
    intents = defaultdict(set)
    first: dict[str, str] = {}
    for text, label in examples:
        intents[text_key(text)].add(label)
        first.setdefault(text_key(text), text)
    return tuple(
        (first[key], tuple(sorted(labels)))
        for key, labels in intents.items()
        if len(labels) > 1
    )


def near_twins(
    examples: Sequence[tuple[str, str]],
    vectors: np.ndarray,
    threshold: float = NEARLY_THE_SAME,
) -> tuple[tuple[Twins, ...], tuple[Twins, ...]]:
    """Pairs of examples whose vectors are nearly the same: of two intents, and of one.

    Args:
        examples: pairs of text and intent.
        vectors: of the texts, `[examples, dim]`.
        threshold: the least cosine.

    Returns:
        The pairs across intents, and for each example within one the example before
        it that is nearest; the nearest pairs first. The same text under two intents is
        a contradiction and no pair.

    Example:

    >>> examples = [("pay", "pay"), ("pay now", "pay"), ("pay up", "debt")]
    >>> across, within = near_twins(examples, np.array([[1, 0], [1, 0.1], [0, 1.0]]))
    >>> len(across), within[0].texts
    (0, ('pay', 'pay now'))
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.asarray(vectors / np.maximum(lengths, 1e-12), "float32")
    found: list[Twins] = []
    for first in range(len(examples)):
        likeness = unit[first + 1 :] @ unit[first]
        near = np.flatnonzero(likeness >= threshold) + first + 1
        for second in near.tolist():
            (one, label), (other, other_label) = examples[first], examples[second]
            if label != other_label and text_key(one) == text_key(other):
                continue
            cosine = float(likeness[second - first - 1])
            found.append(Twins((one, other), (label, other_label), min(cosine, 1.0)))
    found.sort(key=lambda twins: -twins.similarity)
    across = tuple(t for t in found if t.intents[0] != t.intents[1])
    # Of a crowd of like sentences each is told once, beside the one nearest to it.
    within = {t.texts[1]: t for t in reversed(found) if t.intents[0] == t.intents[1]}
    return across, tuple(sorted(within.values(), key=lambda t: -t.similarity))


def _by_intent(
    examples: Sequence[tuple[str, str]], tried: Sequence[Tried]
) -> tuple[IntentReport, ...]:
    taught = Counter(label for _, label in examples)
    found = []
    for intent, count in taught.items():
        recognised = _share(t.intent == intent for t in tried if t.label == intent)
        trusted = _share(t.label == intent for t in tried if t.intent == intent)
        advice = _advice(count, recognised)
        found.append(IntentReport(intent, count, recognised, trusted, advice))

    def how_well(report: IntentReport) -> tuple[float, str]:
        value = report.recognised.value
        # Those that were not asked come last.
        return (2.0 if value is None else value), report.intent

    return tuple(sorted(found, key=how_well))


def _advice(examples: int, recognised: Share) -> str:
    poor = recognised.value is not None and recognised.value < GOOD
    if examples == 1:
        return "has one example: give it four more"
    if examples < ENOUGH:
        return f"has {examples} examples: give it {ENOUGH - examples} more"
    if poor:
        return "is often missed: add examples in the words of the questions it missed"
    return ""


def _confusions(tried: Sequence[Tried]) -> tuple[Confusion, ...]:
    texts = defaultdict(list)
    for one in tried:
        if one.label is not None and one.intent != one.label:
            texts[one.label, one.intent].append(one.text)
    found = [Confusion(*pair, tuple(wrong)) for pair, wrong in texts.items()]
    return tuple(sorted(found, key=lambda c: (-len(c.texts), c.intent, c.taken_for)))


def _share(right: Any) -> Share:
    flags = list(right)
    return Share(sum(map(bool, flags)), len(flags))
