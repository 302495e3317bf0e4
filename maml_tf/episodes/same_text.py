"""When two rows hold the same text: one rule for reading, drawing and leak checks.

`text_key` is the rule. A leak check has digests of texts alone, of another corpus and
made for another encoder, so nothing else can be asked of both. Where tasks are drawn an
encoder is at hand, and more is kept on one side of a task: rows of which it sees the
same tokens, say because they differ only behind the longest length. They are other
texts to a reader, but to the model one is the answer to the other (`same_texts`).
"""

import hashlib
import unicodedata
from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from maml_tf.episodes.near_duplicates import clusters_of


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


def same_texts(
    texts: Sequence[str], inputs: Mapping[str, np.ndarray] | None = None
) -> np.ndarray:
    """A number for each row `[rows]`, shared by rows that hold the same text.

    Args:
        texts: of each row.
        inputs: what an encoder sees of them, arrays `[rows, ...]`; rows that are equal
            in all of them share a number too.

    Example:

    >>> same_texts(["Hi", "hi ", "bye"]).tolist()
    [0, 0, 2]
    >>> cropped = np.array([[3, 4], [3, 4], [5, 0]])
    >>> same_texts(["to you", "to me", "hi"], {"token_ids": cropped}).tolist()
    [0, 0, 2]
    """
    numbers = [_numbered([text_key(text) for text in texts])]
    if inputs is not None:
        columns = [inputs[name] for name in sorted(inputs)]
        numbers.append(
            _numbered(
                [
                    b"".join(column[row].tobytes() for column in columns)
                    for row in range(len(texts))
                ]
            )
        )
    found = clusters_of(*numbers)
    return np.arange(len(texts)) if found is None else found


def _numbered(marks: Sequence[Hashable]) -> np.ndarray:
    """Equal marks as equal numbers."""
    first: dict[Hashable, int] = {}
    return np.array([first.setdefault(mark, row) for row, mark in enumerate(marks)])
