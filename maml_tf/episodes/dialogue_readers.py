"""Files of dialogues, read."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from maml_tf.episodes.corpus import CorpusError
from maml_tf.episodes.dialogues import (
    Dialogue,
    DialogueCorpus,
    Turn,
    alternating,
    joined,
)
from maml_tf.episodes.fields import clean_label, clean_text
from maml_tf.episodes.json_rows import parse_json
from maml_tf.episodes.text_files import lines_of, read_text_file

_GROUPS = ("group", "persona_id", "person", "speaker", "user")
_OWN = frozenset({"assistant", "bot", "self", "own", "persona", "agent"})
_OTHER = frozenset({"user", "human", "partner", "other", "customer"})
_NUMBERED = re.compile(r"(\d+) (.*)")


def read_dialogues(path: str | Path) -> DialogueCorpus:
    """Reads a file of dialogues, of whichever kind it is.

    Args:
        path: a file; see the first lines of `dialogues`.

    Raises:
        CorpusError: naming file, line and what is wrong there.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "ann.jsonl"
    ...     _ = file.write_text('{"group": "ann", "turns": ["hi", "hello!"]}')
    ...     read_dialogues(file).summary()
    'ann.jsonl: 1 dialogues of 1 people, 2 turns.'
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise CorpusError(f"There is no file {str(path)!r} to read dialogues from.")
    text, _ = read_text_file(path)
    lines = [
        (f"{path.name}, line {number},", line)
        for number, line in enumerate(lines_of(text), start=1)
        if line.strip()
    ]
    if not lines:
        raise CorpusError(f"{path} is empty; give a dialogue a line.")
    skipped: Counter[str] = Counter()
    if lines[0][1].lstrip().startswith("{"):
        found = [_of_object(parse_json(line, place), place) for place, line in lines]
    elif _NUMBERED.match(lines[0][1]):
        found = list(_numbered(lines, skipped))
    else:
        raise CorpusError(
            f"{lines[0][0]} is neither a JSON object nor a numbered line of ConvAI2; "
            'give objects like {"group": "ann", "turns": ["hi", "hello!"]}, one a line.'
        )
    return DialogueCorpus(tuple(found), path.name, skipped)


def _of_object(row: Any, place: str) -> Dialogue:
    if not isinstance(row, dict):
        raise CorpusError(f"{place} is not an object with turns or messages.")
    messages = row.get("messages", row.get("turns"))
    if not isinstance(messages, list) or not messages:
        raise CorpusError(
            f'{place} has no list of turns; call it "turns" or "messages". Its fields '
            f"are {', '.join(map(repr, list(row)[:6]))}."
        )
    persona = [clean_text(s, place, "persona") for s in _listed(row.get("persona"))]
    name = next((row[key] for key in _GROUPS if row.get(key) not in (None, "")), None)
    if name is None:
        raise CorpusError(
            f"{place} does not say whose dialogue it is; name the person in a field "
            '"group".'
        )
    if all(isinstance(turn, str) for turn in messages):
        texts = [_text(turn, place, number) for number, turn in enumerate(messages, 1)]
        turns = alternating(texts)
    else:
        turns = tuple(_spoken(messages, persona, place))
    return Dialogue(
        clean_label(name, place, "group"), joined(turns), tuple(persona), place
    )


def _spoken(messages: list[Any], persona: list[str], place: str) -> Iterator[Turn]:
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict):
            raise CorpusError(f"{place} turn {number} is not an object with a role.")
        role = message.get("role", message.get("speaker", message.get("from")))
        text = message.get("content", message.get("text", message.get("value")))
        role = role.strip().casefold() if isinstance(role, str) else role
        if role == "system":
            # What describes the person; it is shown only to who asks for that.
            persona.append(_text(text, place, number))
        elif role in _OWN or role in _OTHER:
            yield Turn(_text(text, place, number), role in _OWN)
        else:
            raise CorpusError(
                f"{place} turn {number} has the role {role!r:.40}; roles are user, "
                "assistant and system."
            )


def _numbered(
    lines: list[tuple[str, str]], skipped: Counter[str]
) -> Iterator[Dialogue]:
    """Lines of ConvAI2: "1 your persona: …", then "3 their turn <tab> your reply"."""
    persona: list[str] = []
    texts: list[str] = []
    last = 0
    where = lines[0][0]

    def finished() -> Dialogue:
        return Dialogue(
            " ".join(sorted(persona)) or where.rstrip(","),
            alternating(texts),
            tuple(persona),
            where,
        )

    for place, line in lines:
        match = _NUMBERED.match(line)
        if match is None:
            raise CorpusError(f"{place} does not begin with a number, as others do.")
        number, rest = int(match[1]), match[2]
        if number <= last and texts:
            yield finished()
            persona, texts, where = [], [], place
        last = number
        if rest.startswith("your persona:"):
            persona.append(clean_text(rest.partition(":")[2], place, "persona"))
        elif rest.startswith("partner's persona:"):
            skipped["lines about the partner"] += 1
        else:
            fields = rest.split("\t")
            if len(fields) < 2:
                raise CorpusError(f"{place} has no tab between the two turns.")
            texts += [_text(fields[0], place, 1), _text(fields[1], place, 2)]
    if texts:
        yield finished()
    elif persona:
        raise CorpusError(f"{where} has no turns after it.")


def _text(value: Any, place: str, number: int) -> str:
    return clean_text(value, f"{place} turn {number}", "text")


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
