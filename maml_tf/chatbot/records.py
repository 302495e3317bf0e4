"""What a chatbot answers with."""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["answer", "unsure", "between", "generated", "untaught"]


@dataclass(frozen=True)
class Alternative:
    """An intent that a text may belong to, and its probability."""

    intent: str
    probability: float


@dataclass(frozen=True)
class Because:
    """A taught example and what it says for its intent.

    Attributes:
        text: the example, or the name of the intent where that is read as one.
        intent: what it was taught for.
        weight: its part of the cosine between the question and the intent; see
            `maml_tf.chatbot.reasons`.
    """

    text: str
    intent: str
    weight: float


@dataclass(frozen=True)
class Reply:
    """What the bot says to a text, and why.

    Attributes:
        text: what it says.
        intent: what it took the text for; None where it does not know.
        confidence: the probability of the likeliest intent.
        alternatives: the likeliest intents, the first one included.
        because: the taught examples that speak for `intent`, the weightiest first;
            where it is None, for each of the alternatives.
        kind: "answer", "generated" by a language model, "unsure" below the calibrated
            confidence, "between" two intents, or "untaught" with too little to go by.
        margin: how far it is above the bot's threshold, below from zero; None where
            nothing was asked of the model, or it is older than margins.
        asked: the text that it is the reply to.
    """

    text: str
    intent: str | None
    confidence: float
    alternatives: list[Alternative]
    because: list[Because]
    kind: Kind
    margin: float | None
    asked: str = ""


@dataclass(frozen=True)
class Taught:
    """What was stored.

    Attributes:
        intent: of which; `NEGATIVE` for what is for none.
        added: how many examples are new.
        warnings: what a person should look at, such as contradictions.
    """

    intent: str
    added: int
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Event:
    """One change of a bot, with the moment of it in UTC (ISO 8601)."""

    number: int
    when: str
    kind: str
    summary: str


@dataclass(frozen=True)
class Intent:
    """An intent with all that it was taught, oldest first."""

    name: str
    examples: list[str]
    responses: list[str]


@dataclass(frozen=True)
class Imported:
    """How much of a file was new, and what of it was left aside."""

    intents: int
    examples: int
    responses: int
    skipped: list[str]


@dataclass(frozen=True)
class Place:
    """Where an example lies on a map of all of them."""

    text: str
    intent: str
    x: float
    y: float
