"""JSON lines: an object a line, or for texts alone a string a line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from maml_tf.episodes.corpus import CorpusError
from maml_tf.episodes.fields import Columns, clean_label, clean_text
from maml_tf.episodes.reading import Reading
from maml_tf.episodes.text_files import lines_of


def parse_json(text: str, place: str) -> Any:
    """A JSON value in which no name stands twice.

    Raises:
        CorpusError: for what is no JSON, is nested too deep to be read, or names a
            field twice, of which JSON readers keep any.

    Example:

    >>> parse_json('{"a": 1, "a": 2}', "x.json")
    Traceback (most recent call last):
    maml_tf.episodes.corpus.CorpusError: x.json names 'a' twice; keep one of them.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise CorpusError(
                    f"{place} names {name!r:.40} twice; keep one of them."
                )
            found[name] = value
        return found

    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise CorpusError(f"{place} is not JSON: {error.msg}.") from error
    except CorpusError:
        raise
    except RecursionError as error:
        raise CorpusError(f"{place} is nested too deep to be read.") from error
    except ValueError as error:  # a whole number of thousands of digits
        raise CorpusError(f"{place} is not JSON: {error!s:.80}.") from error


def read_json_rows(path: Path, reading: Reading, columns: Columns) -> None:
    """Adds every line's text and label.

    Raises:
        CorpusError: naming the line and the field.
    """
    for place, fields in _values(path, reading):
        if not isinstance(fields, dict):
            raise CorpusError(
                f'{place} is not an object like {{"text": …, "label": …}}.'
            )
        text, label, group = columns.names_in(fields)
        if text is None or label is None:
            raise columns.missing("text" if text is None else "label", fields, place)
        belongs = fields.get(group) if group is not None else None
        reading.add(
            clean_text(fields[text], place),
            clean_label(fields[label], place),
            None if belongs in (None, "") else clean_label(belongs, place, "group"),
        )


def read_json_texts(path: Path, reading: Reading, columns: Columns) -> list[str]:
    """Every line's text, of a string or an object.

    Raises:
        CorpusError: naming the line.
    """
    texts = []
    for place, value in _values(path, reading):
        if isinstance(value, dict):
            name, _, _ = columns.names_in(value)
            if name is None:
                raise columns.missing("text", value, place)
            value = value[name]
        texts.append(clean_text(value, place))
    return texts


def _values(path: Path, reading: Reading) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(lines_of(reading.open(path)), start=1):
        if line.strip():
            place = f"{path}, line {number},"
            yield place, parse_json(line, place)
        else:
            reading.skip("empty lines")
