"""Labelled texts, before any task is drawn from them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


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

    Raises:
        CorpusError: if it is empty or the columns differ in length.

    Example:

    >>> Corpus(("hi", "hello", "bye"), ("greet", "greet", "leave")).class_counts()
    {'greet': 2, 'leave': 1}
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[str, ...] | None = None
    templates: tuple[str, ...] | None = None
    name: str = "corpus"

    def __post_init__(self) -> None:
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
        columns = (self.texts, self.labels, self.groups, self.templates)
        return Corpus(
            *(c if c is None else tuple(c[i] for i in rows) for c in columns),
            name=name or self.name,
        )


def corpus_of_rows(rows: Iterable[tuple[str, str, str | None]], name: str) -> Corpus:
    """A corpus of (text, label, group) rows, each (text, label) kept once."""
    unique = {(text, label): group for text, label, group in rows}
    groups = tuple(unique.values())
    return Corpus(
        tuple(text for text, _ in unique),
        tuple(label for _, label in unique),
        None if any(g is None for g in groups) else groups,  # type: ignore[arg-type]
        name=name,
    )
