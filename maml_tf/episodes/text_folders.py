"""A folder of text files: LABEL.txt of a text a line, LABEL/ANY.txt of one text."""

import unicodedata
from pathlib import Path

from maml_tf.episodes.corpus import CorpusError
from maml_tf.episodes.fields import clean_label, clean_text
from maml_tf.episodes.reading import Reading
from maml_tf.episodes.text_files import lines_of


def read_text_folder(path: Path, reading: Reading) -> None:
    """Adds the lines of every `LABEL.txt` and the text of every `LABEL/ANY.txt`.

    Raises:
        CorpusError: if it is no folder, or a file holds no text.
    """
    if not path.is_dir():
        raise CorpusError(f"{path} is a file; directory: wants the folder around it.")
    for entry in _entries(path):
        if entry.is_dir():
            for file in _entries(entry):
                if file.is_file() and file.suffix.lower() == ".txt":
                    _add(reading, reading.open(file), entry.name, str(file))
                else:
                    reading.skip("entries of folders that are no .txt files")
        elif entry.suffix.lower() == ".txt":
            for number, line in enumerate(lines_of(reading.open(entry)), start=1):
                _add(reading, line, entry.stem, f"{entry}, line {number},")
        else:
            reading.skip("files that are no .txt")


def _add(reading: Reading, text: str, label: str, place: str) -> None:
    if not text.strip():
        reading.skip("empty lines and files")
        return
    # A file system may keep letters and their accents apart.
    label = unicodedata.normalize("NFC", clean_label(label, place))
    reading.add(clean_text(text, place), label)


def _entries(folder: Path) -> list[Path]:
    """What is in a folder and not hidden, in the order of names."""
    try:
        return sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    except OSError as error:
        raise CorpusError(f"{folder} cannot be read: {error.strerror}.") from error
