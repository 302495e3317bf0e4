"""What a reader of files gathers on its way."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from maml_tf.episodes.corpus import Corpus, CorpusError, corpus_of_rows
from maml_tf.episodes.text_files import read_text_file


@dataclass
class Reading:
    """Rows found so far, and all that a report will say of them.

    Example:

    >>> reading = Reading()
    >>> reading.add("hi", "greet")
    >>> reading.skip("empty rows")
    >>> reading.corpus("bot").report.skipped
    {'empty rows': 1}
    """

    rows: list[tuple[str, str, str | None]] = field(default_factory=list)
    files: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def open(self, path: Path) -> str:
        """The text of a file, which counts as read."""
        text, note = read_text_file(path)
        self.files += 1
        if note:
            self.notes.append(note)
        return text

    def add(self, text: str, label: str, group: str | None = None) -> None:
        self.rows.append((text, label, group))

    def skip(self, what: str, count: int = 1) -> None:
        if count:
            self.skipped[what] += count

    def corpus(self, name: str) -> Corpus:
        """The corpus of all rows.

        Raises:
            CorpusError: if there are none.
        """
        if not self.rows:
            aside = ", ".join(f"{n} {what}" for what, n in self.skipped.items())
            raise CorpusError(
                f"{name} holds no rows; give texts with labels"
                f"{f' (left aside: {aside})' if aside else ''}."
            )
        return corpus_of_rows(
            self.rows,
            name,
            files=self.files,
            skipped=self.skipped,
            notes=self.notes,
        )
