"""Rasa's NLU training data in YAML, versions 2 and 3.

The format: https://legacy-docs-oss.rasa.com/docs/rasa/training-data-format. Intents are
the classes, retrieval intents (`faq/hours`) under their full name. Synonyms, regular
expressions, lookup tables, responses, stories and rules are counted and left aside.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from maml_tf.episodes.corpus import CorpusError
from maml_tf.episodes.fields import clean_label, clean_text
from maml_tf.episodes.rasa_entities import without_entities
from maml_tf.episodes.reading import Reading
from maml_tf.episodes.text_files import lines_of
from maml_tf.episodes.yaml_nodes import compose, fields_of, is_null, place_of

if TYPE_CHECKING:
    import yaml

# Other blocks beside intents, and other sections beside the NLU data, in the plural.
BLOCKS = {"synonym": "synonyms", "regex": "regular expressions", "lookup": "lookups"}
SECTIONS = {"responses": "responses", "stories": "stories", "rules": "rules"}
CONVERT = "convert it by Rasa 2: rasa data convert nlu --format yaml"


def read_rasa(path: Path, reading: Reading, *, responses_alone: bool = False) -> None:
    """Adds the examples of every intent in a file, or in all files below a folder.

    Args:
        path: of the file or folder.
        reading: where they are added.
        responses_alone: whether a file may hold no NLU data.

    Raises:
        CorpusError: naming the file, the line and what is wrong there.
    """
    if path.is_dir():
        files = sorted(
            file
            for file in path.rglob("*")
            if file.suffix.lower() in {".yml", ".yaml", ".md", ".json"}
            and not any(p.startswith(".") for p in file.relative_to(path).parts)
            and file.is_file()
        )
        for file in files:
            _read_file(file, reading, within_folder=True)
        return
    _read_file(path, reading, within_folder=False, may_lack_nlu=responses_alone)


def _read_file(
    path: Path, reading: Reading, *, within_folder: bool, may_lack_nlu: bool = False
) -> None:
    text = reading.open(path)
    if re.search(r"(?m)^\s*## *(intent|synonym|regex|lookup):", text):
        raise CorpusError(f"{path} is Rasa's older Markdown; {CONVERT}.")
    if re.search(r'^\s*\{\s*"rasa_nlu_data"', text):
        raise CorpusError(f"{path} is Rasa's older JSON; {CONVERT}.")
    root = None if path.suffix.lower() in {".md", ".json"} else compose(text, path)
    sections = {} if root is None or root.id != "mapping" else fields_of(root, path)
    for name, what in SECTIONS.items():
        if name in sections and sections[name].id in ("mapping", "sequence"):
            reading.skip(what, len(sections[name].value))
    if "nlu" in sections:
        for block in _blocks(sections["nlu"], path):
            _read_block(block, path, reading)
    elif within_folder:
        reading.files -= 1
        reading.skip("files without nlu data")
    elif not may_lack_nlu:
        raise CorpusError(
            f"{path} has no nlu section; a file of Rasa's begins its examples with a "
            "line `nlu:`."
        )


def _blocks(section: "yaml.Node", path: Path) -> "Iterator[dict[str, yaml.Node]]":
    if is_null(section):
        return
    if section.id != "sequence":
        raise CorpusError(
            f"{place_of(section, path)} has no list under nlu; begin each block there "
            "with `- intent: NAME`."
        )
    for block in section.value:
        fields = fields_of(block, path) if block.id == "mapping" else {}
        if not {"intent", *BLOCKS} & set(fields):
            raise CorpusError(
                f"{place_of(block, path)} is no block of NLU data; begin it with "
                f"`- intent: NAME` (or {', '.join(BLOCKS)})."
            )
        yield fields


def _read_block(block: "dict[str, yaml.Node]", path: Path, reading: Reading) -> None:
    examples = block.get("examples")
    if "intent" not in block:
        reading.skip(next(BLOCKS[name] for name in BLOCKS if name in block))
        return
    name = block["intent"]
    if name.id != "scalar" or is_null(name):
        raise CorpusError(
            f"{place_of(name, path)} has no name for an intent; give one."
        )
    intent = clean_label(name.value, place_of(name, path), "name for an intent")
    before = len(reading.rows)
    if examples is not None and not is_null(examples):
        for line, example in _examples(examples, path, reading):
            place = f"{path}, line {line},"
            text, synonyms = without_entities(example, place)
            reading.skip("synonyms", synonyms)
            reading.add(clean_text(text, place), intent)
    if len(reading.rows) == before:
        reading.skip("intents without examples")


def _examples(
    node: "yaml.Node", path: Path, reading: Reading
) -> Iterator[tuple[int, str]]:
    """Line and text of each example, with its entities still marked."""
    if node.id == "sequence":
        yield from _listed_examples(node, path)
        return
    if node.id != "scalar" or node.style == ">":
        raise CorpusError(
            f"{place_of(node, path)} has no block of examples; write `examples: |` and "
            "below it a line `- …` for each."
        )
    # A literal block begins on the line after its `|`.
    first = node.start_mark.line + (2 if node.style == "|" else 1)
    for line, written in enumerate(lines_of(node.value), start=first):
        stripped = written.strip()
        if stripped.startswith("-"):
            if example := stripped[1:].strip():
                yield line, example
            else:
                reading.skip("empty examples")
        elif stripped.startswith("#"):
            reading.skip("comments among examples")
        elif stripped:
            reading.skip("lines among examples without a `-`")
            reading.notes.append(
                f"{path}, line {line}, begins without `-` and is no example: "
                f"{stripped!r:.60}"
            )


def _listed_examples(node: "yaml.Node", path: Path) -> Iterator[tuple[int, str]]:
    """Examples with metadata: a list of blocks with a `text` each."""
    entries = [
        (entry, fields_of(entry, path) if entry.id == "mapping" else {})
        for entry in node.value
    ]
    with_metadata = any("metadata" in fields for _, fields in entries)
    for entry, fields in entries:
        text = fields.get("text")
        if text is None or text.id != "scalar" or is_null(text):
            raise CorpusError(
                f"{place_of(entry, path)} has no text for an example; write "
                "`- text: |` and the sentence below it, or list examples under "
                "`examples: |`."
            )
        # YAML ends an unquoted text at ` #`. Rasa writes such texts as blocks; beside
        # metadata they are surely meant as they stand.
        if text.style is None and not with_metadata:
            raise CorpusError(
                f"{place_of(text, path)} has an unquoted text for an example, which "
                "YAML ends at ` #`; write `- text: |` and the sentence below it, or "
                "list examples under `examples: |`."
            )
        yield text.start_mark.line + (2 if text.style in ("|", ">") else 1), text.value
