"""One field of a row: what may stand for a text and for a label, and what not."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from maml_tf.episodes.corpus import CorpusError

# The usual names, the most telling first; case and blanks around them do not count.
TEXT_NAMES = (
    "text",
    "utterance",
    "sentence",
    "query",
    "question",
    "message",
    "example",
    "phrase",
    "input",
)
LABEL_NAMES = ("label", "intent", "category", "class", "topic", "tag", "target")
GROUP_NAMES = ("group", "domain")


@dataclass(frozen=True)
class Columns:
    """What the fields of a row are called; the usual names where None is given.

    Example:

    >>> Columns().names_in(["id", " Utterance", "Intent"])
    (' Utterance', 'Intent', None)
    >>> Columns(text="body").names_in(["text", "body"])
    ('body', None, None)
    """

    text: str | None = None
    label: str | None = None

    def names_in(
        self, present: Iterable[str]
    ) -> tuple[str | None, str | None, str | None]:
        """Which of the names is the text's, the label's and the group's."""
        known: dict[str, str] = {}
        for name in present:
            known.setdefault(_plain(name), name)

        def first(names: Iterable[str]) -> str | None:
            return next((known[_plain(n)] for n in names if _plain(n) in known), None)

        return (
            first(TEXT_NAMES if self.text is None else [self.text]),
            first(LABEL_NAMES if self.label is None else [self.label]),
            first(GROUP_NAMES),
        )

    def missing(self, field: str, present: Iterable[str], place: str) -> CorpusError:
        """The error of a row or header that has no field for a text or a label."""
        wanted = getattr(self, field)
        usual = " or ".join((TEXT_NAMES if field == "text" else LABEL_NAMES)[:3])
        there = ", ".join(repr(name)[:40] for name in list(present)[:8]) or "empty"
        if wanted is not None:
            wish = f"{place} has no {field} field {wanted!r}; its fields are {there}."
        else:
            wish = (
                f"{place} has no {field}: its fields are {there}; call one "
                f"{usual}, or name it with --{field}_column."
            )
        return CorpusError(wish)


def _plain(name: str) -> str:
    return name.strip().casefold()


def clean_text(value: Any, place: str, field: str = "text") -> str:
    """A text without blanks and byte order marks around it.

    Args:
        value: what was found in the place of a text.
        place: file and line, for messages.
        field: its name, for messages.

    Raises:
        CorpusError: if it is no string, has nothing to be seen in it, or has characters
            that UTF-8 or a tokenizer cannot take.

    Example:

    >>> clean_text(" hello ", "a.jsonl, line 1")
    'hello'
    """
    if not isinstance(value, str):
        raise CorpusError(
            f"{place} has {_shown(value)} for its {field}, where a string belongs."
        )
    text = value.strip().strip("\ufeff").strip()
    if not any(_visible(character) for character in text):
        raise CorpusError(f"{place} has no {field}; fill it in or remove the row.")
    if "\0" in text:
        raise CorpusError(f"{place} has a NUL character in its {field}; remove it.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise CorpusError(
                f"{place} has half a character ({text[error.start]!a}) in its {field}, "
                "as cutting an emoji in two leaves it; remove it."
            ) from error
    return text


def clean_label(value: Any, place: str, field: str = "label") -> str:
    """A label: a string, or a whole number as its digits.

    Raises:
        CorpusError: for anything else, as `clean_text`.

    Example:

    >>> clean_label(0, "a.jsonl, line 1"), clean_label("greet ", "a.jsonl, line 2")
    ('0', 'greet')
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        raise CorpusError(
            f"{place} has {_shown(value)} for its {field}, where a string or a whole "
            "number belongs."
        )
    return clean_text(value, place, field)


def _visible(character: str) -> bool:
    return unicodedata.category(character) not in {"Zs", "Zl", "Zp", "Cc", "Cf"}


def _shown(value: Any) -> str:
    """A short name of a value, as JSON and people call it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "a list"
    return f"the number {value!r:.20}" if isinstance(value, (int, float)) else "no text"
