"""The name of a class as words: "cardArrival", "card_arrival" and "card-arrival".

A name says what its class means in one more way than its examples do, if it is made of
words: "intent_17" and "A" are not. The patterns are RE2's, so that TensorFlow's graphs
read names alike; see `maml_tf.serving.class_names`.
"""

import re
import unicodedata
from collections.abc import Iterable

# What says "this is a class" or counts it, and nothing of what is meant by it.
NO_WORDS = (
    "intents?|class(?:es)?|labels?|categor(?:y|ies)|topics?|cat|cls|id|nr|num|number|"
    "skills?|groups?|types?|kinds?|clusters?|items?|options?|faqs?|questions?|"
    "answers?|targets?|tags?|keys?|values?|names?|unknown|others?|none|null|nan|misc|"
    "one|two|three|four|five|six|seven|eight|nine|ten"
)
_SHORT = "no|hi|ok|go|up|on|off"
# Three letters with a vowel, a short word, or a letter of another script.
A_WORD = (
    r"\b(?:[a-z]*[aeiouy][a-z][a-z]+|[a-z]+[aeiouy][a-z]+|[a-z][a-z]+[aeiouy][a-z]*|"
    rf"{_SHORT})\b"
)


def name_as_words(name: str) -> str:
    """A class's name as a reader would say it, in lower case.

    Underscores, hyphens, slashes, dots and the humps of camel case part words.

    Example:

    >>> [name_as_words(n) for n in ("card_arrival", "HassTurnOn", "faq/FAQPage-2")]
    ['card arrival', 'hass turn on', 'faq faq page 2']
    """
    kinds = [unicodedata.category(letter) for letter in name]
    pieces = []
    for place, letter in enumerate(name):
        before = kinds[place - 1] if place else ""
        after = kinds[place + 1] if place + 1 < len(name) else ""
        hump = kinds[place] == "Lu" and (
            before in ("Ll", "Nd") or (before == "Lu" and after == "Ll")
        )
        number = kinds[place] == "Nd" and before[:1] == "L"
        pieces.append(" " if hump or number else "")
        pieces.append(letter if kinds[place][0] in "LNM" else " ")
    return " ".join("".join(pieces).lower().split())


def reads_like_words(words: str) -> bool:
    """Whether words, as `name_as_words` gives them, say what a class means.

    Example:

    >>> [reads_like_words(name_as_words(n)) for n in ("card_arrival", "intent_17", "A")]
    [True, False, False]
    """
    rest = re.sub(rf"\b(?:{NO_WORDS})\b", "", words, flags=re.ASCII)
    if any(not letter.isascii() for letter in rest):
        return True
    return re.search(A_WORD, rest, flags=re.ASCII) is not None


def texts_of_names(names: Iterable[str]) -> list[str]:
    """A text for each class that is taught by its name alone: the name in words.

    Raises:
        ValueError: a name holds no word, or two of them read the same.

    Example:

    >>> texts_of_names(["lost_card", "cardArrival"])
    ['lost card', 'card arrival']
    >>> texts_of_names(["intent_17"])
    Traceback (most recent call last):
    ...
    ValueError: The name 'intent_17' holds no word to learn from; give an example or a
    one-line description.
    """
    found: dict[str, str] = {}
    for name in names:
        words = name_as_words(name)
        if not reads_like_words(words):
            raise ValueError(
                f"The name {name!r} holds no word to learn from; give an example or a "
                "one-line description."
            )
        if words in found:
            raise ValueError(
                f"The names {found[words]!r} and {name!r} both read {words!r}, so by "
                "their names alone they cannot be told apart; give one of them an "
                "example."
            )
        found[words] = name
    return list(found)
