"""The name of a class as words: "cardArrival", "card_arrival" and "card-arrival"."""

import re


def name_as_words(name: str) -> str:
    """A class's name as a reader would say it, in lower case.

    Underscores, hyphens, slashes, dots and the humps of camel case part words.

    Example:

    >>> [name_as_words(n) for n in ("card_arrival", "HassTurnOn", "faq/FAQPage-2")]
    ['card arrival', 'hass turn on', 'faq faq page 2']
    """
    pieces = []
    for before, letter, after in zip(" " + name, name, name[1:] + " ", strict=False):
        starts_word = before.isupper() and after.islower()
        hump = letter.isupper() and (
            before.islower() or before.isdigit() or starts_word
        )
        number = letter.isdigit() and before.isalpha()
        pieces += [" ", letter] if hump or number else [letter]
    return re.sub(r"[\W_]+", " ", "".join(pieces)).strip().lower()
