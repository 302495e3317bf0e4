"""Rows of a table in one JSON file, each with the digest of the run that made it."""

from pathlib import Path
from typing import Any

from .files import read_json, write_json

RUN = "run"


class ResultRows:
    """Finished rows, so that a benchmark that was killed does none twice.

    A row counts as finished for the very digest that it was made under: the same row
    under another seed, encoder or number of episodes is another row.

    Args:
        path: of the JSON file, a list of objects; read if it exists.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "rows.json"
    >>> rows = ResultRows(path)
    >>> rows.keep("3fa9", [{"learner": "frozen", "accuracy": 0.8}])
    >>> ResultRows(path).of("3fa9"), ResultRows(path).of("77b0")
    ([{'learner': 'frozen', 'accuracy': 0.8}], [])
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        held = read_json(path, missing=[])
        known = isinstance(held, list) and all(isinstance(row, dict) for row in held)
        self._rows: list[dict[str, Any]] = held if known else []

    def of(self, digest: str) -> list[dict[str, Any]]:
        """The finished rows of a run, without its digest."""
        return [
            {name: value for name, value in row.items() if name != RUN}
            for row in self._rows
            if row.get(RUN) == digest
        ]

    def keep(self, digest: str, rows: list[dict[str, Any]]) -> None:
        """Writes the rows of a run in place of what it had; other runs' rows stay."""
        others = [row for row in self._rows if row.get(RUN) != digest]
        self._rows = [*others, *({**row, RUN: digest} for row in rows)]
        write_json(self.path, self._rows)
