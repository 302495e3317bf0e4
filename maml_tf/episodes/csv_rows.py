"""CSV as people have it: commas, semicolons, tabs or bars under a header."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from maml_tf.episodes.corpus import CorpusError
from maml_tf.episodes.fields import Columns, clean_label, clean_text
from maml_tf.episodes.reading import Reading
from maml_tf.episodes.text_files import lines_of

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def read_csv_rows(path: Path, reading: Reading, columns: Columns) -> None:
    """Adds the text and label of every row that is not empty.

    The separator is the one under which the header has a text and a label.

    Raises:
        CorpusError: for a header without them, a row with more fields than the header,
            an open quote, or a field that is no text, with the line.
    """
    sheet = _Sheet.of(path, reading)
    header = sheet.header(columns, ("text", "label"))
    text, label, group = header.places
    for line, row in sheet.rows(header, reading):
        place = f"{path}, line {line},"
        belongs = "" if group is None else row[group].strip()
        reading.add(
            clean_text(row[text or 0], place),
            clean_label(row[label or 0], place),
            clean_label(belongs, place, "group") if belongs else None,
        )


def read_csv_texts(path: Path, reading: Reading, columns: Columns) -> list[str]:
    """The texts of every row that is not empty; other fields do not count.

    A file of one column needs no header.

    Raises:
        CorpusError: as `read_csv_rows`.
    """
    sheet = _Sheet.of(path, reading)
    header = sheet.header(columns, ("text",))
    text, _, _ = header.places
    return [
        clean_text(row[text or 0], f"{path}, line {line},")
        for line, row in sheet.rows(header, reading)
    ]


@dataclass(frozen=True)
class _Header:
    """The names of the fields and what separates them.

    `places` are those of text, label and group; `is_row` tells of a file without a
    header, whose first line is a text.
    """

    names: list[str]
    separator: str
    places: tuple[int | None, int | None, int | None]
    is_row: bool = False


@dataclass(frozen=True)
class _Sheet:
    """The text of a file from its header on, and the number of that line."""

    path: Path
    text: str
    first_line: int
    separators: tuple[str, ...]

    @classmethod
    def of(cls, path: Path, reading: Reading) -> "_Sheet":
        lines = lines_of(reading.open(path))
        blank = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
        reading.skip("empty rows", blank)
        separators = tuple(SEPARATORS)
        # A first line by which spreadsheets are told what separates fields.
        if blank < len(lines) and (
            said := re.fullmatch("sep=([,;|:\t])", lines[blank])
        ):
            separators = (said[1],)
            blank += 1
        return cls(path, "\n".join(lines[blank:]), blank + 1, separators)

    def records(self, separator: str) -> Iterator[tuple[int, list[str]]]:
        """Every record with the number of the line on which it begins."""
        reader = csv.reader(
            io.StringIO(self.text, newline=""), delimiter=separator, strict=True
        )
        while True:
            line = self.first_line + reader.line_num
            try:
                yield line, next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise CorpusError(
                    f"{self.path}, line {line}, is not CSV: {error}; close every "
                    'quote, and write one inside a text twice (say ""hi"" there).'
                ) from error

    def header(self, columns: Columns, wanted: tuple[str, ...]) -> _Header:
        """The first record, by the separator under which it has most of `wanted`.

        Raises:
            CorpusError: if something is still missing, or a name stands twice.
        """
        found: dict[str, list[str]] = {}
        for separator in self.separators:
            try:
                _, names = next(self.records(separator), (0, []))
            except CorpusError:
                if separator == self.separators[-1] and not found:
                    raise
                continue
            found[separator] = [name.strip() for name in names]

        def fitting(separator: str) -> tuple[int, int]:
            named = columns.names_in(found[separator])[: len(wanted)]
            return sum(n is not None for n in named), len(found[separator])

        separator = max(found, key=fitting)
        names = found[separator]
        chosen = columns.names_in(names)
        alone = wanted == ("text",) and columns.text is None and len(names) <= 1
        if alone and chosen[0] is None:
            return _Header(["text"], separator, (0, None, None), is_row=True)
        place = f"{self.path}, line {self.first_line}, the header,"
        for field, name in zip(wanted, chosen, strict=False):
            if name is None and self.text:
                raise columns.missing(field, names, place)
            if names.count(name or "") > 1:
                raise CorpusError(f"{place} names {name!r} twice; rename one of them.")
        text, label, group = (n if n is None else names.index(n) for n in chosen)
        return _Header(names, separator, (text, label, group))

    def rows(
        self, header: _Header, reading: Reading
    ) -> Iterator[tuple[int, list[str]]]:
        """The rows below the header, as long as it, and without the empty ones.

        Raises:
            CorpusError: for a row with more fields than the header.
        """
        records = self.records(header.separator)
        if not header.is_row:
            next(records, None)
        width = len(header.names)
        for line, row in records:
            if not any(field.strip() for field in row):
                reading.skip("empty rows")
                continue
            if any(field.strip() for field in row[width:]):
                raise CorpusError(
                    f"{self.path}, line {line}, has {len(row)} fields, but the header "
                    f"has {width}; put quotes around a text with "
                    f"{SEPARATORS.get(header.separator, header.separator)} in it."
                )
            yield line, row[:width] + [""] * (width - len(row))
