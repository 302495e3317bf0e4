"""Rows of a table in one JSON file, each with the digest of the run that made it."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .files import read_json, write_aside

RUN = "run"
# What stands in place of a digest in rows that follow from the others.
DERIVED = "derived"

Row = dict[str, Any]


class ResultRows:
    """Finished rows, so that a benchmark that was killed does none twice.

    A row counts as finished for the very digest that it was made under: the same row
    under another seed, encoder or number of episodes is another row.

    Args:
        path: of the JSON file, a list of objects, one a line; read if it exists. Rows
            in it that hold no digest, such as those of earlier versions, are left out.
        place: fields that tell which line of the table a row is. A new row takes the
            place of an older one of another digest, so that no table mixes two. Without
            fields, rows of other digests stay.
        derive: from all rows to what follows from them, written behind them.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "rows.json"
    >>> rows = ResultRows(path, place=("learner",))
    >>> rows.keep("3fa9", [{"learner": "frozen", "accuracy": 0.8}])
    >>> ResultRows(path).of("3fa9"), ResultRows(path).of("77b0")
    ([{'learner': 'frozen', 'accuracy': 0.8}], [])
    >>> rows.keep("77b0", [{"learner": "frozen", "accuracy": 0.7}])
    >>> rows.of("3fa9"), rows.all()
    ([], [{'learner': 'frozen', 'accuracy': 0.7}])
    """

    def __init__(
        self,
        path: Path,
        *,
        place: tuple[str, ...] = (),
        derive: Callable[[list[Row]], list[Row]] | None = None,
    ) -> None:
        self.path, self.place, self.derive = path, place, derive
        held = read_json(path, missing=[])
        held = held if isinstance(held, list) else [held]
        rows = [row for row in held if isinstance(row, dict) and RUN in row]
        if len(rows) < len(held):
            print(
                f"{len(held) - len(rows)} rows of {path} do not say what they were "
                "made under and are left out.",
                flush=True,
            )
        self._rows = [row for row in rows if row[RUN] != DERIVED]

    def of(self, digest: str) -> list[Row]:
        """The finished rows of a run, without its digest."""
        return _bare(row for row in self._rows if row[RUN] == digest)

    def all(self) -> list[Row]:
        """The rows of every run, without their digests."""
        return _bare(self._rows)

    def items(self) -> list[tuple[str, Row]]:
        """Each row with the digest of its run."""
        return [(row[RUN], *_bare([row])) for row in self._rows]

    def keep(self, digest: str, rows: list[Row]) -> None:
        """Writes the rows of a run in place of what it had, or its places had."""
        taken = {self._place_of(row) for row in rows} if self.place else set()
        others = [
            row
            for row in self._rows
            if row[RUN] != digest and self._place_of(row) not in taken
        ]
        self._rows = [*others, *({**row, RUN: digest} for row in rows)]
        self.write()

    def write(self) -> None:
        """Writes the file.

        Raises:
            ValueError: for numbers that JSON has no name for, NaN and infinity.
        """
        derived = self.derive(self.all()) if self.derive else []
        rows = [*self._rows, *({**row, RUN: DERIVED} for row in derived)]
        text = ",\n ".join(json.dumps(row, allow_nan=False) for row in rows)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_aside(
            self.path, lambda aside: aside.write_text(f"[{text}]\n", encoding="utf-8")
        )

    def _place_of(self, row: Row) -> tuple:
        return tuple(json.dumps(row.get(name)) for name in self.place)


def _bare(rows: Iterable[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != RUN} for row in rows]
