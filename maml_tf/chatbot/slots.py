"""Slots: what a text says where a taught pattern has `{name}`.

"fly to {city}" taught as an example is a pattern. A response with `{city}` says what a
text has in that place.
"""

import re
from collections.abc import Iterable

# In longer texts, and with more slots, where one ends could take long to find.
LONGEST = 200
MOST_SLOTS = 3
END = ".!?。！？"
SLOT = re.compile(r"\{([^\W\d]\w*)\}")


def slots_in(text: str) -> list[str]:
    """The names of a text's slots.

    Example:

    >>> slots_in("from {start} to {city}"), slots_in("{ }")
    (['start', 'city'], [])
    """
    return SLOT.findall(text)


def values_in(text: str, patterns: Iterable[str]) -> dict[str, str]:
    """What a text says in the slots of those patterns that it fits.

    Case, blanks and marks at the end of a sentence do not count. The pattern that says
    most beside its slots comes first.

    Example:

    >>> values_in("Fly to  New York!", ["fly to {city}", "{what} to {city}"])
    {'city': 'New York', 'what': 'Fly'}
    """
    found: dict[str, str] = {}
    text = " ".join(text.split())
    if len(text) > LONGEST:
        return found
    patterns = [p for p in patterns if 0 < len(slots_in(p)) <= MOST_SLOTS]
    for pattern in sorted(patterns, key=lambda p: -len(SLOT.sub("", p))):
        expression, names = _expression(pattern)
        if match := expression.fullmatch(text):
            for name, value in zip(names, match.groups(), strict=True):
                found.setdefault(name, value)
    return found


def filled(response: str, values: dict[str, str]) -> str | None:
    """A response with its slots filled, or None where one has no value.

    Example:

    >>> filled("To {city}, gladly.", {"city": "Oslo"}), filled("To {city}.", {})
    ('To Oslo, gladly.', None)
    """
    if not {*slots_in(response)} <= {*values}:
        return None
    return SLOT.sub(lambda match: values[match[1]], response)


def _expression(pattern: str) -> tuple[re.Pattern[str], list[str]]:
    """An expression whose groups are the slots, and the names of these."""
    pieces: list[str] = []
    names: list[str] = []
    for place, part in enumerate(SLOT.split(pattern.rstrip(END + " "))):
        if place % 2 == 0:
            words = [re.escape(word) for word in part.split()]
            before = r"\s*" if part[:1].isspace() else ""
            after = r"\s*" if part[-1:].isspace() and words else ""
            pieces.append(before + r"\s+".join(words) + after)
        elif part in names:  # the same slot says the same twice
            pieces.append(rf"\{names.index(part) + 1}")
        else:
            names.append(part)
            pieces.append(r"(\S(?:.*?\S)??)")
    whole = "".join(pieces) + rf"[\s{END}]*"
    return re.compile(whole, re.IGNORECASE | re.DOTALL), names
