"""What may be taught: texts, and names of intents and bots, refused in a sentence."""

import unicodedata
from typing import Any

from maml_tf.serving.limits import Limits
from maml_tf.serving.negatives import NEGATIVE
from maml_tf.serving.results import RequestError
from maml_tf.serving.texts import encoded, is_blank

LONGEST_NAME = 200
# Letters, digits, and the symbols that are pictures.
_TELLING = ("L", "N", "So")


def checked_text(value: Any, named: str, limits: Limits) -> str:
    """A text without blanks around it.

    Args:
        value: what was given.
        named: what the sentence calls it.
        limits: those of the model.

    Raises:
        RequestError: if it is none, has nothing to read or too much.

    Example:

    >>> checked_text(" hi ", "The text", Limits())
    'hi'
    >>> checked_text(" ", "The text", Limits())
    Traceback (most recent call last):
    ...
    maml_tf.serving.results.RequestError: The text is empty; write something.
    """
    if isinstance(value, bytes):
        raise RequestError(f"{named} has to be a text, not bytes; decode it.")
    size = len(encoded(value, named))
    text = str(value).strip()
    if is_blank(text):
        raise RequestError(f"{named} is empty; write something.")
    if size > limits.text_bytes:
        raise RequestError(
            f"{named} has {size} bytes and begins {text[:30]!r}; at most "
            f"{limits.text_bytes} are read. Shorten it."
        )
    if "\0" in text:
        raise RequestError(f"{named} holds a NUL character; remove it.")
    return text


def checked_name(value: Any, kind: str = "intent") -> str:
    """The name of an intent, or of a bot.

    Raises:
        RequestError: if it is no name that a person could tell from others.

    Example:

    >>> checked_name("lost_card"), checked_name("丢卡")
    ('lost_card', '丢卡')
    >>> checked_name("?!")
    Traceback (most recent call last):
    ...
    maml_tf.serving.results.RequestError: The name '?!' of an intent has no letter or
    digit; give one that says what it means.
    """
    name = checked_text(value, f"The name of the {kind}", Limits())
    if name == NEGATIVE:
        raise RequestError(
            f"{NEGATIVE!r} is how texts are stored that are for no intent; give the "
            f"{kind} another name."
        )
    of_kind = f"of an {kind}" if kind[0] in "aeiou" else f"of a {kind}"
    shown = name if len(name) <= 40 else f"{name[:37]}..."
    if len(name) > LONGEST_NAME:
        raise RequestError(
            f"The name {shown!r} {of_kind} has {len(name)} characters; give one of "
            f"at most {LONGEST_NAME}."
        )
    kinds = [unicodedata.category(letter) for letter in name]
    if "Cc" in kinds or "Zl" in kinds or "Zp" in kinds:
        raise RequestError(
            f"The name {shown!r} {of_kind} holds a line break or another control "
            "character; remove it."
        )
    if not any(found.startswith(_TELLING) for found in kinds):
        raise RequestError(
            f"The name {shown!r} {of_kind} has no letter or digit; give one that "
            "says what it means."
        )
    return name


def listed(values: Any, named: str) -> list[Any]:
    """A list, also of one string alone."""
    if isinstance(values, str):
        return [values]
    try:
        return list(values)
    except TypeError as error:
        raise RequestError(f"{named} has to be a list of texts.") from error
