"""What was read of a corpus and what was not, for a script to print."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from maml_tf.episodes.same_text import text_key


@dataclass(frozen=True)
class ReadingReport:
    """Counts of what a reader found, kept and skipped.

    Attributes:
        name: of the corpus.
        files: read files; 0 where the rows come out of no file.
        rows: labelled texts found.
        kept: those that the corpus holds: each text once under each label.
        classes: different labels.
        spelling_variants: kept rows beyond the first of a class that differ from
            another in case or blanks only.
        contradictions: texts that stand under several labels, each with its labels.
            Case and blanks do not count.
        skipped: what was left aside, and how many of it: `{"empty rows": 2}`.
        notes: sentences on how the source was understood.

    Example:

    >>> rows = [("hi", "greet"), ("hi", "greet"), ("Hi", "greet"), ("hi", "leave")]
    >>> print(report_on(rows, "bot.csv", files=1, skipped={"empty rows": 1}))
    bot.csv: 3 texts of 2 classes from 1 file
      left aside: 1 empty rows
      1 rows repeat a text under the same label; it is kept once
      1 texts differ from another of their class in case or blanks only; no task has
      both a text and its variant to learn from and to be judged on
      1 texts stand under several labels, for one 'Hi' under greet, leave; give each
      one label, or answers to them are a matter of chance
    """

    name: str
    files: int
    rows: int
    kept: int
    classes: int
    spelling_variants: int = 0
    contradictions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def duplicates(self) -> int:
        """Rows that repeat both text and label of another."""
        return self.rows - self.kept

    def lines(self) -> list[str]:
        """The report in sentences: the counts first, then all that is out of order."""
        origin = f" from {self.files} file{'s' * (self.files != 1)}" * bool(self.files)
        found = [f"{self.name}: {self.kept} texts of {self.classes} classes{origin}"]
        found += self.notes
        if self.skipped:
            counts = ", ".join(
                f"{count} {what}" for what, count in self.skipped.items()
            )
            found.append(f"left aside: {counts}")
        if self.duplicates:
            found.append(
                f"{self.duplicates} rows repeat a text under the same label; it is "
                "kept once"
            )
        if self.spelling_variants:
            found.append(
                f"{self.spelling_variants} texts differ from another of their class in "
                "case or blanks only; no task has both a text and its variant to learn "
                "from and to be judged on"
            )
        if self.contradictions:
            text, labels = next(iter(self.contradictions.items()))
            found.append(
                f"{len(self.contradictions)} texts stand under several labels, for one "
                f"{text!r:.60} under {', '.join(labels)}; give each one label, or "
                "answers to them are a matter of chance"
            )
        return found

    def __str__(self) -> str:
        return "\n  ".join(self.lines())


def report_on(
    rows: Sequence[tuple[str, str]],
    name: str,
    *,
    files: int = 0,
    skipped: Mapping[str, int] | None = None,
    notes: Sequence[str] = (),
) -> ReadingReport:
    """Counts duplicates, variants and contradictions among (text, label) rows."""
    kept = set(rows)
    labels_of: dict[str, set[str]] = {}
    spellings: dict[str, str] = {}
    keys = set()
    for text, label in kept:
        key = text_key(text)
        labels_of.setdefault(key, set()).add(label)
        # The same spelling each time, although a set has no order.
        spellings[key] = min(spellings.get(key, text), text)
        keys.add((key, label))
    return ReadingReport(
        name,
        files,
        rows=len(rows),
        kept=len(kept),
        classes=len({label for _, label in kept}),
        spelling_variants=len(kept) - len(keys),
        contradictions={
            spellings[key]: tuple(sorted(labels))
            for key, labels in sorted(labels_of.items())
            if len(labels) > 1
        },
        skipped=dict(skipped or {}),
        notes=tuple(notes),
    )
