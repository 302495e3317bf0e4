"""When two rows hold the same text: one rule for reading, drawing and leak checks."""

import hashlib
import unicodedata


def text_key(text: str) -> str:
    """What is left of a text when case, blanks and ways of encoding are put aside.

    Texts with one key are the same text to a reader of chats, and to most tokenizers.

    Example:

    >>> text_key(" Where  IS it?") == text_key("where is\\tit?")
    True
    >>> text_key("e\\u0301t\\u00e9") == text_key("\\u00c9t\\u00e9")
    True
    """
    # Folding can undo the normal form, so it is taken twice (Unicode 3.13, D146).
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def text_digest(text: str) -> str:
    """16 hexadecimal digits that tell a text from others without giving it away.

    Example:

    >>> text_digest("Hello  there"), text_digest("hello there") == text_digest("bye")
    ('12998c017066eb0d', False)
    """
    key = text_key(text).encode("utf-8", "surrogatepass")
    return hashlib.sha256(key).hexdigest()[:16]
