"""Reading a corpus that a short specification names."""

import os
from collections.abc import Callable
from pathlib import Path

from maml_tf.episodes.corpus import Corpus, CorpusError
from maml_tf.episodes.csv_rows import read_csv_rows, read_csv_texts
from maml_tf.episodes.fields import Columns, clean_text
from maml_tf.episodes.home_assistant import read_home_assistant_intents
from maml_tf.episodes.json_rows import read_json_rows, read_json_texts
from maml_tf.episodes.rasa import read_rasa
from maml_tf.episodes.reading import Reading
from maml_tf.episodes.text_files import existing_path, lines_of
from maml_tf.episodes.text_folders import read_text_folder
from maml_tf.episodes.tfds_reader import read_tfds

FORMS = (
    "jsonl:FILE, csv:FILE, rasa:FILE_OR_DIRECTORY, directory:DIRECTORY, tfds:NAME or "
    "home_assistant_intents[:LANGUAGE,…]"
)
KINDS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".yml": "rasa",
    ".yaml": "rasa",
    ".md": "rasa",  # is told that it is too old
}
READERS: dict[str, Callable[[Path, Reading, Columns], None]] = {
    "jsonl": read_json_rows,
    "csv": read_csv_rows,
    "rasa": lambda path, reading, _: read_rasa(path, reading),
    "directory": lambda path, reading, _: read_text_folder(path, reading),
}
TABLES = ("jsonl", "csv")


def read_corpus(
    spec: str | os.PathLike[str],
    *,
    seed: int = 0,
    data_dir: str | None = None,
    download: bool = True,
    text_column: str | None = None,
    label_column: str | None = None,
) -> Corpus:
    """Reads labelled texts.

    Args:
        spec: `jsonl:FILE`, `csv:FILE`, `rasa:FILE_OR_DIRECTORY`, `directory:DIRECTORY`,
            `tfds:NAME`, `home_assistant_intents:en,de`; or the path of a file or folder
            alone, whose ending or content tells.
        seed: for corpora that are made by random walks.
        data_dir: where TFDS looks for prepared data.
        download: whether TFDS may download.
        text_column: the field of a CSV file or of JSON lines that holds the texts; the
            first of the usual names (`text`, `utterance`, `query`, …) if None.
        label_column: the field that holds the labels; likewise (`label`, `intent`, …).

    Returns:
        The corpus. Its `report` tells what was read, left aside and contradictory.

    Raises:
        CorpusError: naming the file, the line and what is wrong with it.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_text("Utterance;Intent\\nhello, you;greet\\nso long;leave\\n")
    >>> corpus = read_corpus(f"csv:{path}")
    >>> corpus.texts, corpus.classes
    (('hello, you', 'so long'), ('greet', 'leave'))
    """
    spec = os.fspath(spec)
    kind, _, rest = spec.partition(":")
    columns = Columns(text_column, label_column)
    if columns != Columns() and kind in {
        "home_assistant_intents",
        "tfds",
        "rasa",
        "directory",
    }:
        raise CorpusError(
            f"{spec!r:.80} has no columns to be named; text_column and label_column "
            "are for CSV and JSON lines."
        )
    if kind == "home_assistant_intents":
        return read_home_assistant_intents(rest or "en", seed=seed)
    if kind == "tfds":
        return read_tfds(rest, data_dir=data_dir, download=download)
    kind, path = _kind_and_path(spec)
    reading = Reading()
    READERS[kind](path, reading, columns)
    return reading.corpus(str(path))


def read_texts(
    spec: str | os.PathLike[str], *, text_column: str | None = None
) -> list[str]:
    """Reads texts without labels, such as questions to a bot, in their order.

    Args:
        spec: the path of a file, or `jsonl:FILE` or `csv:FILE`. Lines of a .jsonl
            file are strings or objects with a `text`; a .csv or .tsv file has a header
            with a text, or a single column; any other file is a text a line.
        text_column: the field that holds the texts; one of the usual names if None.

    Raises:
        CorpusError: naming the file, the line and what is wrong with it.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "questions.txt"
    >>> _ = path.write_text("where is it?\\n\\nhow much?\\n")
    >>> read_texts(path)
    ['where is it?', 'how much?']
    """
    spec = os.fspath(spec)
    kind, _, rest = spec.partition(":")
    if kind in TABLES:
        path = existing_path(rest)
    else:
        path = existing_path(spec)
        kind = KINDS.get(path.suffix.lower(), "lines")
    if path.is_dir():
        raise CorpusError(f"{path} is a folder; give a file of texts.")
    reading, columns = Reading(), Columns(text_column)
    if kind == "jsonl":
        texts = read_json_texts(path, reading, columns)
    elif kind == "csv":
        texts = read_csv_texts(path, reading, columns)
    elif kind == "lines":
        texts = [
            clean_text(line, f"{path}, line {number},")
            for number, line in enumerate(lines_of(reading.open(path)), start=1)
            if line.strip()
        ]
    else:
        raise CorpusError(f"{path} is no file of texts; give a .txt, .jsonl or .csv.")
    if not texts:
        raise CorpusError(f"{path} holds no texts; give one a line.")
    return texts


def _kind_and_path(spec: str) -> tuple[str, Path]:
    """Which reader a specification wants, and of what."""
    kind, _, rest = spec.partition(":")
    if kind in READERS:
        path = existing_path(rest)
        if path.is_dir() and kind in TABLES:
            raise CorpusError(f"{path} is a folder; {kind}: wants a file.")
        return kind, path
    try:
        path = existing_path(spec)
    except CorpusError as error:
        # What looks like a path is a path that is wrong; the rest is no form we know.
        if ":" in spec or not ("/" in spec or Path(spec).suffix in KINDS):
            raise CorpusError(
                f"The corpus {spec!r:.80} is not known; give {FORMS}."
            ) from error
        raise
    if path.is_dir():
        return _kind_of_folder(path), path
    if path.suffix.lower() not in KINDS:
        raise CorpusError(
            f"{path} does not tell by its ending what it holds; give {FORMS}."
        )
    return KINDS[path.suffix.lower()], path


def _kind_of_folder(path: Path) -> str:
    """Rasa's data where a folder has YAML files and no text files."""
    endings = {file.suffix.lower() for file in path.rglob("*")}
    return (
        "rasa" if endings & {".yml", ".yaml"} and ".txt" not in endings else "directory"
    )
