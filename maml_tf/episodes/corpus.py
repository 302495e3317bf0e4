"""Labelled texts, before any task is drawn from them."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from maml_tf.episodes.reading_report import ReadingReport, report_on
from maml_tf.episodes.same_text import text_digest


class CorpusError(ValueError):
    """A corpus that cannot be read or divided as asked."""


@dataclass(frozen=True)
class Corpus:
    """Texts with labels, and optionally groups and templates, one entry a row.

    Attributes:
        texts: the sentences.
        labels: the class of each.
        groups: a domain or language of each, for splits by group.
        templates: near-duplicates of a class share one; they never stand on both sides
            of an episode.
        name: used in messages.
        report: what a reader found and skipped; None for a corpus that was not read.

    Raises:
        CorpusError: if it is empty, the columns differ in length, or an entry is no
            string that UTF-8 can hold.

    Example:

    >>> Corpus(("hi", "hello", "bye"), ("greet", "greet", "leave")).class_counts()
    {'greet': 2, 'leave': 1}
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[str, ...] | None = None
    templates: tuple[str, ...] | None = None
    name: str = "corpus"
    report: ReadingReport | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for column in ("texts", "labels", "groups", "templates"):
            values = getattr(self, column)
            if values is None and column in ("groups", "templates"):
                continue
            object.__setattr__(self, column, _strings(values, column, self.name))
        if not self.texts:
            raise CorpusError(f"{self.name} holds no texts; give at least one row.")
        for column in ("labels", "groups", "templates"):
            values = getattr(self, column)
            if values is not None and len(values) != len(self.texts):
                raise CorpusError(
                    f"{self.name} has {len(self)} texts but {len(values)} {column}."
                )

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted(set(self.labels)))

    def class_counts(self) -> dict[str, int]:
        return dict(sorted(Counter(self.labels).items()))

    def select(self, classes: Iterable[str], name: str | None = None) -> "Corpus":
        """The rows of the given classes."""
        wanted = set(classes)
        rows = [i for i, label in enumerate(self.labels) if label in wanted]

        def cut(column: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(column[i] for i in rows)

        return Corpus(
            cut(self.texts),
            cut(self.labels),
            None if self.groups is None else cut(self.groups),
            None if self.templates is None else cut(self.templates),
            name=name or self.name,
        )

    def digest(self) -> str:
        """64 hexadecimal digits that change with any text, label, group or template.

        The order of the rows counts, because the episodes that a seed draws depend on
        it; the name does not.

        Example:

        >>> a = Corpus(("hi", "bye"), ("greet", "leave"), name="a")
        >>> a.digest() == Corpus(a.texts, a.labels, name="b").digest()
        True
        >>> a.digest() == Corpus(a.texts, a.labels, groups=("x", "x")).digest()
        False
        """
        columns = (self.texts, self.labels, self.groups, self.templates)
        content = json.dumps(columns, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()

    def text_digests(self) -> dict[str, tuple[str, ...]]:
        """For each class the digests of its texts, sorted, each once.

        They do not depend on the order of the rows, on labels, or on case and blanks.
        Two corpora have a text in common where they have a digest in common, which a
        run's record can tell years later without holding the texts.

        Example:

        >>> trained = Corpus(("Hi", "bye"), ("greet", "leave")).text_digests()
        >>> judged = Corpus(("hi", "thanks"), ("hello", "thank")).text_digests()
        >>> set(trained["greet"]) & set(judged["hello"]) == set(judged["hello"])
        True
        """
        found = defaultdict(set)
        for text, label in zip(self.texts, self.labels, strict=True):
            found[label].add(text_digest(text))
        return {label: tuple(sorted(found[label])) for label in self.classes}

    def class_digests(self) -> dict[str, str]:
        """For each class 64 hexadecimal digits of what texts it holds.

        Order, case and blanks of the texts do not count, nor does the label: a class
        that was only renamed keeps its digest.

        Example:

        >>> a = Corpus(("hi", "hello"), ("greet", "greet")).class_digests()
        >>> a["greet"] == Corpus(("Hello", "hi"), ("x", "x")).class_digests()["x"]
        True
        """
        return {
            label: hashlib.sha256(" ".join(digests).encode()).hexdigest()
            for label, digests in self.text_digests().items()
        }


def _strings(values: Iterable[str], column: str, name: str) -> tuple[str, ...]:
    """The column as plain strings, or the sentence on the entry that is none."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise CorpusError(
            f"{name}: {column} have to be several strings, not {values!r:.40}."
        )
    column_values = tuple(values)
    for row, value in enumerate(column_values):
        if not isinstance(value, str):
            raise CorpusError(
                f"{name}: {column}[{row}] has to be a string, not {value!r:.40}."
            )
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise CorpusError(
                    f"{name}: {column}[{row}] holds half a character "
                    f"({value[error.start]!a}), which UTF-8 cannot hold; remove it."
                ) from error
    return tuple(map(str, column_values))


def corpus_of_rows(
    rows: Iterable[tuple[str, str, str | None]],
    name: str,
    *,
    files: int = 0,
    skipped: Mapping[str, int] | None = None,
    notes: Sequence[str] = (),
) -> Corpus:
    """A corpus of (text, label, group) rows, each (text, label) kept once.

    Args:
        rows: in the order that the corpus shall have.
        name: of the corpus, for messages.
        files, skipped, notes: for the corpus' report; see `ReadingReport`.

    Example:

    >>> corpus = corpus_of_rows([("hi", "greet", None), ("hi", "greet", None)], "bot")
    >>> corpus.texts, corpus.report.duplicates
    (('hi',), 1)
    """
    every = list(rows)
    unique: dict[tuple[str, str], str | None] = {}
    for text, label, group in every:
        unique.setdefault((text, label), group)
    groups = [group for group in unique.values() if group is not None]
    if 0 < len(groups) < len(unique):
        missing = len(unique) - len(groups)
        notes = [*notes, f"groups are not used, because {missing} rows have none"]
    return Corpus(
        tuple(text for text, _ in unique),
        tuple(label for _, label in unique),
        tuple(groups) if len(groups) == len(unique) else None,
        name=name,
        report=report_on(
            [(text, label) for text, label, _ in every],
            name,
            files=files,
            skipped=skipped,
            notes=notes,
        ),
    )
