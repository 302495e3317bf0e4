"""What counts as a text, checked before anything is sent or stored.

An export checks the same inside its graph (`request_checks`), for clients of any kind.
Here nothing needs TensorFlow.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Set
from typing import Any

from maml_tf.serving.results import RequestError

# Separators, and the control, format, surrogate and private characters of Unicode.
UNSEEN = frozenset(("Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co"))
# Unicode 15 added these format characters; Python 3.11 knows Unicode 14.
LATER = frozenset(map(chr, range(0x13439, 0x13440)))


def encoded_texts(texts: Any, name: str) -> list[bytes]:
    """The texts in UTF-8.

    Args:
        texts: any iterable of strings or bytes that has an order.
        name: what the caller calls the list.

    Raises:
        TypeError: if it is no list.
        RequestError: naming the entry that is no text.

    Example:

    >>> encoded_texts(["where", None], "query_texts")
    Traceback (most recent call last):
    ...
    maml_tf.serving.results.RequestError: query_texts[1] has to be a text, not None.
    """
    if isinstance(texts, (str, bytes)):
        raise TypeError(f"Give a list of texts, not one text, as {name}.")
    if isinstance(texts, (Mapping, Set)) or not isinstance(texts, Iterable):
        raise TypeError(f"{name} has to be a list of texts, not {_shown(texts)}.")
    return [encoded(text, f"{name}[{place}]") for place, text in enumerate(texts)]


def encoded(text: Any, place: str) -> bytes:
    """One text in UTF-8.

    Bytes are taken as they are: whether they are UTF-8 is for the export to say.

    Args:
        text: a string or bytes.
        place: what the caller calls it.

    Raises:
        RequestError: if it is neither, or holds half a character.
    """
    if isinstance(text, bytes):
        return bytes(text)
    if not isinstance(text, str):
        raise RequestError(f"{place} has to be a text, not {_shown(text)}.")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise RequestError(
            f"{place} has to be a text, and holds half a character "
            f"({text[error.start]!a}), which UTF-8 cannot hold; remove it."
        ) from error


def is_blank(text: str) -> bool:
    """Whether a reader would see nothing of it.

    Example:

    >>> is_blank(" \\u200b"), is_blank("\\u200bhi")
    (True, False)
    """
    return all(unicodedata.category(c) in UNSEEN or c in LATER for c in text)


def _shown(value: Any) -> str:
    try:
        shown = ascii(value)
    except Exception:  # a caller's object may fail to describe itself
        shown = f"a {type(value).__name__}"
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
