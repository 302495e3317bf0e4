"""Rasa's marks of entities inside an example, and the plain text under them."""

import json
import re
from typing import Any

from maml_tf.episodes.corpus import CorpusError

_MARKED = re.compile(r"\[(?P<text>[^\[\]]+)\](?P<opens>[({\[])")
_TYPE = re.compile(r"\((?P<type>[^():]+)(?P<value>:[^)]+)?\)")


def without_entities(example: str, place: str) -> tuple[str, int]:
    """The example as a user would type it, and how many synonyms its marks define.

    A mark follows the words it is on in brackets: `(type)`, `(type:value)`, an object
    `{"entity": …, "role": …, "group": …, "value": …}` or a list of such. A value that
    is not the marked words defines a synonym.

    Args:
        example: a line of training data.
        place: file and line, for messages.

    Raises:
        CorpusError: for a mark that is begun and is none.

    Example:

    >>> without_entities('to [NYC]{"entity": "city", "value": "New York"}', "line 1")
    ('to NYC', 1)
    >>> without_entities("from [Oslo](city) [soon] (maybe)", "line 1")
    ('from Oslo [soon] (maybe)', 0)
    """
    pieces, synonyms, start = [], 0, 0
    while match := _MARKED.search(example, start):
        words = match["text"]
        end, values = _mark(example, match.end() - 1, place)
        pieces.append(example[start : match.start()])
        if end is None:  # brackets beside brackets that mark nothing
            pieces.append(match[0][:-1])
            start = match.end() - 1
            continue
        pieces.append(words)
        synonyms += any(value != words for value in values)
        start = end
    return "".join(pieces) + example[start:], synonyms


def _mark(example: str, start: int, place: str) -> tuple[int | None, list[str]]:
    """Where the mark that begins at `start` ends, and the values it gives.

    None where there is none.
    """
    if example[start] == "(":
        match = _TYPE.match(example, start)
        if match is None:
            return None, []
        return match.end(), [match["value"][1:]] if match["value"] else []
    if example[start] == "[" and not re.match(r"\[\s*\{", example[start:]):
        return None, []
    try:
        content, end = json.JSONDecoder().raw_decode(example, start)
    except (ValueError, RecursionError) as error:
        raise _no_mark(example, start, place) from error
    entities: list[Any] = content if isinstance(content, list) else [content]
    if not entities or not all(
        isinstance(entity, dict) and isinstance(entity.get("entity"), str)
        for entity in entities
    ):
        raise _no_mark(example, start, place)
    return end, [str(e["value"]) for e in entities if "value" in e]


def _no_mark(example: str, start: int, place: str) -> CorpusError:
    return CorpusError(
        f"{place} marks an entity by {example[start : start + 40]!r}, which is not of "
        'the form {"entity": "TYPE"} with its names in double quotes.'
    )
