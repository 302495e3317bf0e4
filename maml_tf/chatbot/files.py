"""Bots as files: Rasa NLU YAML with responses, and JSON lines.

A line of JSON is `{"text": …, "intent": …}`, `{"intent": …, "response": …}` or
`{"text": …, "reply": …, "liked": …}`, and is exact. YAML is Rasa's own format, in
which `[words](entity)` marks an entity: of such texts the words alone are read again.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maml_tf.chatbot import teaching
from maml_tf.chatbot.checks import checked_name, checked_text
from maml_tf.chatbot.memory import Change, Memory, Verdict
from maml_tf.chatbot.records import Imported, Intent
from maml_tf.chatbot.teaching import Lesson
from maml_tf.episodes.corpus import CorpusError
from maml_tf.episodes.fields import Columns
from maml_tf.episodes.json_rows import parse_json
from maml_tf.episodes.rasa import read_rasa
from maml_tf.episodes.rasa_responses import UTTER, rasa_text, read_rasa_responses
from maml_tf.episodes.reading import Reading
from maml_tf.episodes.text_files import existing_path, lines_of
from maml_tf.serving.limits import LARGEST_REQUEST, Limits
from maml_tf.serving.negatives import NEGATIVE
from maml_tf.serving.results import RequestError

FORMATS = ("rasa", "jsonl")
TABLES = ("examples", "responses")


@dataclass
class Found:
    """What a file teaches."""

    examples: list[tuple[str, str]] = field(default_factory=list)
    responses: list[tuple[str, str]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def import_file(path: str | Path, memory: Memory, bot: str, limits: Limits) -> Imported:
    """Adds what a file teaches to a bot; see `Chatbot.import_file`."""
    try:
        found = read_bot(existing_path(path))
    except CorpusError as error:
        raise RequestError(str(error)) from error
    lessons, skipped = _lessons(found, limits)
    verdicts = _verdicts(found, limits, skipped)
    if not lessons and not verdicts:
        raise RequestError(
            f"{path} holds nothing that can be taught"
            + (f" ({'; '.join(skipped[:3])})." if skipped else ".")
        )

    def decide(change: Change) -> tuple[str, str, Imported]:
        before = {label for _, label in change.rows("examples")}
        warnings, there = [], 0
        for lesson in lessons:
            taught = teaching.teach(change, lesson, limits)
            warnings += taught.warnings
            there += len(lesson.examples) - taught.added
        for verdict in verdicts:
            teaching.judge(change, *verdict)
        if there:
            warnings.insert(0, f"{there} examples that the bot has already")
        new = {lesson.intent for lesson in lessons} - before - {NEGATIVE}
        examples, responses = map(len, (change.added[t] for t in TABLES))
        result = Imported(len(new), examples, responses, skipped + warnings)
        # Names of files may be no text.
        name = Path(path).name.encode(errors="replace").decode()
        summary = f"imported {name}: {examples} examples, {responses} responses"
        return "import", summary, result

    return memory.change(bot, decide)


def read_bot(path: Path) -> Found:
    """What a file teaches, as its content tells.

    Raises:
        CorpusError: naming the file, the line and what is wrong there.
    """
    if path.is_dir():
        raise CorpusError(f"{path} is a folder; give a file.")
    if not path.is_file():  # a device would never end
        raise CorpusError(f"{path} is no file; give one.")
    size = path.stat().st_size
    if size > LARGEST_REQUEST:
        raise CorpusError(
            f"{path} has {size / 2**20:.0f} MB; at most {LARGEST_REQUEST / 2**20:.0f} "
            "are read."
        )
    reading, found = Reading(), Found()
    text = reading.open(path)
    if not text.strip():
        raise CorpusError(f"{path} is empty.")
    if text.lstrip().startswith(("{", "[")):
        _read_lines(text, path, found)
    else:
        rows = read_rasa_responses(path)
        read_rasa(path, reading, responses_alone=bool(rows))
        found.examples = [(text, label) for text, label, _ in reading.rows]
        _name_responses(rows, found)
        reading.skipped.pop("responses", None)
    found.skipped.update(reading.skipped)
    found.notes += reading.notes
    return found


def _read_lines(text: str, path: Path, found: Found) -> None:
    columns = Columns()
    for number, line in enumerate(lines_of(text), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number},"
        row = parse_json(line, place)
        if not isinstance(row, dict):
            raise CorpusError(
                f'{place} is not an object like {{"text": …, "intent": …}}.'
            )
        name, label, _ = columns.names_in(row)
        if name is not None and label is not None:
            found.examples.append((row[name], row[label]))
        elif label is not None and "response" in row:
            found.responses.append((row[label], row["response"]))
        elif name is not None and {"reply", "liked"} <= {*row}:
            values = row[name], row["reply"], row["liked"]
            if [*map(type, values)] != [str, str, bool]:
                raise CorpusError(f"{place} has no two texts with true or false.")
            found.verdicts.append(Verdict(*values))
        else:
            there = ", ".join(repr(key)[:40] for key in list(row)[:8]) or "none"
            raise CorpusError(
                f"{place} has neither a text with an intent nor an intent with a "
                f"response; its fields are {there}."
            )


def _name_responses(rows: Iterable[tuple[str, str]], found: Found) -> None:
    """Gives responses to the intents whose names they carry."""
    for name, text in rows:
        if name.startswith(UTTER):
            found.responses.append((name.removeprefix(UTTER), text))
        else:
            found.skipped["responses that are named after no intent"] += 1


def _lessons(found: Found, limits: Limits) -> tuple[list[Lesson], list[str]]:
    """What can be taught, by intent, and what cannot be, in words."""
    examples: dict[str, list[str]] = {}
    responses: dict[str, list[str]] = {}
    skipped = [f"{count} {what}" for what, count in found.skipped.items()]
    skipped += found.notes
    for rows, kept in (
        ([(label, text) for text, label in found.examples], examples),
        (found.responses, responses),
    ):
        for label, text in rows:
            label = str(label) if isinstance(label, int) else label
            try:
                if label != NEGATIVE:
                    label = checked_name(label)
                text = checked_text(text, f"A text of {label!r:.40}", limits)
            except RequestError as error:
                skipped.append(str(error))
                continue
            kept.setdefault(label, []).append(text)
    names = dict.fromkeys([*examples, *responses])
    lessons = [
        Lesson(name, examples.get(name, []), responses.get(name, [])) for name in names
    ]
    return lessons, skipped


def _verdicts(found: Found, limits: Limits, skipped: list[str]) -> list[Verdict]:
    """The verdicts that can be stored; `skipped` is told of the others."""
    fit = []
    for text, reply, liked in found.verdicts:
        try:
            text = checked_text(text, "The text of a verdict", limits)
            fit.append(Verdict(text, checked_text(reply, "A reply", limits), liked))
        except RequestError as error:
            skipped.append(str(error))
    return fit


def export_text(
    format: str,
    intents: Sequence[Intent],
    negatives: Sequence[str],
    verdicts: Sequence[Verdict],
) -> str:
    """A bot in one of the two formats; see `Chatbot.export_text`."""
    if format not in FORMATS:
        raise RequestError(
            f"The format {format!r} is not known; give {' or '.join(FORMATS)}."
        )
    if negatives:
        intents = [*intents, Intent(NEGATIVE, [*negatives], [])]
    if format == "rasa":
        return rasa_text(
            [(intent.name, intent.examples) for intent in intents],
            [(intent.name, intent.responses) for intent in intents],
        )
    rows: list[dict[str, Any]] = []
    for intent in intents:
        rows += [{"text": text, "intent": intent.name} for text in intent.examples]
        rows += [{"intent": intent.name, "response": r} for r in intent.responses]
    rows += [verdict._asdict() for verdict in verdicts]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
