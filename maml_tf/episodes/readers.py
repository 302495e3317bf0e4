"""Reading a corpus that a short specification names."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from maml_tf.episodes.corpus import Corpus, CorpusError, corpus_of_rows
from maml_tf.episodes.home_assistant import read_home_assistant_intents
from maml_tf.episodes.tfds_reader import read_tfds

Row = tuple[str, str, str | None]
TEXT_NAMES = ("text", "utterance", "sentence", "query")
LABEL_NAMES = ("label", "intent", "category", "class")
GROUP_NAMES = ("group", "domain")
FORMS = (
    "jsonl:FILE, csv:FILE, rasa:FILE_OR_DIRECTORY, directory:DIRECTORY, tfds:NAME or "
    "home_assistant_intents[:LANGUAGE,…]"
)


def read_corpus(
    spec: str, *, seed: int = 0, data_dir: str | None = None, download: bool = True
) -> Corpus:
    """Reads labelled texts.

    Args:
        spec: `jsonl:FILE`, `csv:FILE`, `rasa:FILE_OR_DIRECTORY`, `directory:DIRECTORY`,
            `tfds:NAME`, `home_assistant_intents:en,de`; or a path whose ending tells.
        seed: for corpora that are made by random walks.
        data_dir: where TFDS looks for prepared data.
        download: whether TFDS may download.

    Raises:
        CorpusError: naming the file, the line and what is wrong with it.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_text("text,label\\nhello,greet\\nso long,leave\\n")
    >>> read_corpus(f"csv:{path}").classes
    ('greet', 'leave')
    """
    kind, _, rest = spec.partition(":")
    if kind == "home_assistant_intents":
        return read_home_assistant_intents(rest or "en", seed=seed)
    if kind == "tfds":
        return read_tfds(rest, data_dir=data_dir, download=download)
    if kind not in READERS:
        kind, rest = _kind_of_path(spec), spec
    path = Path(rest)
    if not path.exists():
        raise CorpusError(f"{path} does not exist; check the path in {spec!r}.")
    try:
        rows = list(READERS[kind](path))
    except (UnicodeDecodeError, OSError) as error:
        raise CorpusError(f"{path} cannot be read as UTF-8 text: {error}.") from error
    if not rows:
        raise CorpusError(f"{path} holds no rows; give texts with labels.")
    return corpus_of_rows(rows, str(path))


def _kind_of_path(spec: str) -> str:
    path = Path(spec)
    kinds = {".jsonl": "jsonl", ".csv": "csv", ".yml": "rasa", ".yaml": "rasa"}
    if path.is_dir():
        return "directory"
    if path.exists() and path.suffix in kinds:
        return kinds[path.suffix]
    raise CorpusError(f"The corpus {spec!r} is not known; give {FORMS}.")


def _row(fields: dict, place: str) -> Row:
    def find(names):
        value = next((fields[name] for name in names if fields.get(name)), None)
        return str(value).strip() if value is not None else ""

    text, label = find(TEXT_NAMES), find(LABEL_NAMES)
    if not text or not label:
        missing = "text" if not text else "label"
        raise CorpusError(f"{place} has no {missing}; fill it in or remove the row.")
    return text, label, find(GROUP_NAMES) or None


def _read_jsonl(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            place = f"{path}, line {number},"
            try:
                fields = json.loads(line)
            except json.JSONDecodeError as error:
                raise CorpusError(f"{place} is not JSON: {error.msg}.") from error
            if not isinstance(fields, dict):
                raise CorpusError(f'{place} is not an object like {{"text": …}}.')
            yield _row(fields, place)


def _read_csv(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        for fields in reader:
            yield _row(fields, f"{path}, line {reader.line_num},")


# [entity](type), [entity]{"entity": "type"} and the like stand for the bare entity.
_ANNOTATION = re.compile(r"\[([^\]]*)\](?:\([^)]*\)|\{[^}]*\})")


def _read_rasa(path: Path) -> Iterator[Row]:
    import yaml

    files = [path]
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix in (".yml", ".yaml"))
    for file in files:
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise CorpusError(f"{file} is not YAML: {error}.") from error
        blocks = content.get("nlu") if isinstance(content, dict) else None
        for block in blocks or []:
            if "intent" not in block:
                continue
            for line in str(block.get("examples") or "").splitlines():
                text = _ANNOTATION.sub(r"\1", line.strip().removeprefix("-")).strip()
                if text:
                    yield text, str(block["intent"]), None


def _read_directory(path: Path) -> Iterator[Row]:
    for entry in sorted(path.iterdir()):
        if entry.suffix == ".txt":
            for line in entry.read_text(encoding="utf-8").splitlines():
                if line.strip():
                    yield line.strip(), entry.stem, None
        elif entry.is_dir():
            for file in sorted(entry.glob("*.txt")):
                if text := file.read_text(encoding="utf-8").strip():
                    yield text, entry.name, None


READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "jsonl": _read_jsonl,
    "csv": _read_csv,
    "rasa": _read_rasa,
    "directory": _read_directory,
}
