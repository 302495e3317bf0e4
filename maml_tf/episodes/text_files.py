"""Text files as people have them: found, decoded and cut into lines."""

import codecs
import io
import os
import re
from pathlib import Path

from maml_tf.episodes.corpus import CorpusError

# The longer mark first: UTF-32's begins with UTF-16's.
MARKS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)


def existing_path(path: str | os.PathLike[str]) -> Path:
    """The path with `~` resolved.

    Raises:
        CorpusError: if there is nothing, or it can be no path.

    Example:

    >>> existing_path("~") == Path.home()
    True
    """
    if not str(path):
        raise CorpusError("The path is empty; give one.")
    try:
        found = Path(path).expanduser()
        found.stat()
    except FileNotFoundError as error:
        raise CorpusError(f"{path} does not exist; check the path.") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise CorpusError(f"{str(path)!r:.80} is no path: {error!s:.80}.") from error
    return found


def read_text_file(path: Path) -> tuple[str, str | None]:
    """The text of a file, and a sentence if its encoding had to be guessed.

    UTF-8, with or without a byte order mark, and UTF-16 and UTF-32 with one are known
    for sure. What is none of these is tried as Windows' Western European one.

    Raises:
        CorpusError: if it cannot be read, or holds no text.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.txt")
    >>> _ = path.write_bytes("grüezi".encode("utf-16"))
    >>> read_text_file(path)
    ('grüezi', None)
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise CorpusError(f"{path} cannot be read: {reason}.") from error
    text, note = _decoded(content, path)
    # Files that were joined have a mark in the middle, too.
    text = re.sub("(?:^|(?<=[\r\n]))\ufeff+", "", text)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise CorpusError(
            f"{path}, line {line}, holds a NUL byte, so it is no text file; save it as "
            "UTF-8 text."
        )
    return text, note


def _decoded(content: bytes, path: Path) -> tuple[str, str | None]:
    for mark, encoding, name in MARKS:
        if content.startswith(mark):
            try:
                return content[len(mark) :].decode(encoding), None
            except UnicodeDecodeError as error:
                raise CorpusError(
                    f"{path} begins as {name} but is none at byte {error.start}; save "
                    "it as UTF-8 text."
                ) from error
    try:
        return content.decode("utf-8"), None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path}, line {line}, is not UTF-8; save the file as UTF-8 text."
        ) from error
    return text, (
        f"{path}, line {line}, is not UTF-8; it was read as Windows-1252 (save it as "
        "UTF-8 if letters came out wrong)"
    )


def lines_of(text: str) -> list[str]:
    r"""Lines without their ends, which are those that files have: \n, \r\n and \r.

    `str.splitlines` would also cut at characters that JSON and chats may hold.

    Example:

    >>> lines_of("one\r\ntwo\u2028still two\n")
    ['one', 'two\u2028still two']
    """
    lines = io.StringIO(text, newline=None).read().split("\n")
    return lines[:-1] if lines[-1] == "" else lines
