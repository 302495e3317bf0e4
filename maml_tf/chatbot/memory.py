"""What a bot was taught, and every change of it, in one SQLite file.

A change happens as a whole, with the event that tells of it and what undoes it. Rows
keep their numbers when they are put back, so that undoing restores their order too.
"""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import numpy as np

from maml_tf.chatbot.records import Event
from maml_tf.serving.results import RequestError
from maml_tf.serving.tenant_backends import SQLiteBackend, change_revision

Result = TypeVar("Result")
# The columns of each table beside number and bot.
COLUMNS = {
    "examples": ("text", "label"),
    "responses": ("intent", "response"),
    "verdicts": ("text", "reply", "liked"),
}


class Verdict(NamedTuple):
    """What a person thought of a reply to a text."""

    text: str
    reply: str
    liked: bool


class Change:
    """One change of a bot while it happens: rows as they are, added and removed.

    Args:
        connection: within a transaction.
        bot: whose.
    """

    def __init__(self, connection: Any, bot: str) -> None:
        self._connection, self.bot = connection, bot
        self.added: dict[str, list[int]] = {table: [] for table in COLUMNS}
        self.removed: dict[str, list[list[Any]]] = {table: [] for table in COLUMNS}

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """The rows of the bot, oldest first, without their numbers."""
        return [row[1:] for row in self._numbered(table)]

    def add(self, table: str, *values: Any) -> None:
        """Appends a row."""
        names = ", ".join(COLUMNS[table])
        marks = ", ".join("?" * (len(values) + 1))
        number = self._connection.execute(
            f"INSERT INTO {table} (bot, {names}) VALUES ({marks})", (self.bot, *values)
        ).lastrowid
        self.added[table].append(number)

    def remove(self, table: str, doomed: Callable[..., bool]) -> int:
        """Removes the rows of whose values `doomed` is true; how many there were."""
        found = [row for row in self._numbered(table) if doomed(*row[1:])]
        self._connection.executemany(
            f"DELETE FROM {table} WHERE id = ?", [(row[0],) for row in found]
        )
        self.removed[table] += [list(row) for row in found]
        return len(found)

    def _numbered(self, table: str) -> list[tuple[Any, ...]]:
        names = ", ".join(COLUMNS[table])
        return self._connection.execute(
            f"SELECT id, {names} FROM {table} WHERE bot = ? ORDER BY id", (self.bot,)
        ).fetchall()

    def is_one(self) -> bool:
        """Whether anything is other than before."""
        return any(self.added.values()) or any(self.removed.values())

    def store(self, kind: str, summary: str) -> None:
        """Writes the event of this change, and that the bot has to learn anew."""
        changes = {"added": self.added, "removed": self.removed}
        self._connection.execute(
            "INSERT INTO events (bot, moment, kind, summary, changes) "
            "VALUES (?, ?, ?, ?, ?)",
            (self.bot, _now(), kind, summary, json.dumps(changes)),
        )
        if self.added["examples"] or self.removed["examples"]:
            change_revision(self._connection, self.bot)


class Memory(SQLiteBackend):
    """The bot store with what a chatbot keeps beside examples.

    Example:

    >>> import os, tempfile
    >>> memory = Memory(os.path.join(tempfile.mkdtemp(), "bots.sqlite"))
    >>> def teach(change):
    ...     change.add("examples", "where is it", "track")
    ...     return "taught", "taught track", 1
    >>> memory.change("shop", teach)
    1
    >>> memory.undo("shop"), memory.rows("shop", "examples")
    ('taught track', [])
    """

    def change(
        self, bot: str, decide: Callable[[Change], tuple[str, str, Result]]
    ) -> Result:
        """Changes a bot, and stores the event; all of it or nothing.

        Args:
            bot: whose.
            decide: makes the change, seeing the rows of this moment alone, and returns
                the kind of the event, a summary, and what is passed on.
        """
        with self.file.transaction(write=True) as connection:
            change = Change(connection, bot)
            kind, summary, result = decide(change)
            if change.is_one():
                change.store(kind, summary)
        return result

    def undo(self, bot: str) -> str:
        """Takes back the newest change that was not taken back; its summary.

        Raises:
            RequestError: if there is none.
        """
        with self.file.transaction(write=True) as connection:
            row = connection.execute(
                "SELECT number, summary, changes FROM events WHERE bot = ? AND "
                "undone = 0 AND kind != 'undo' ORDER BY number DESC LIMIT 1",
                (bot,),
            ).fetchone()
            if row is None:
                raise RequestError(f"There is nothing to undo for the bot {bot!r}.")
            number, summary, changes = row[0], row[1], json.loads(row[2])
            for table, names in COLUMNS.items():
                connection.executemany(
                    f"DELETE FROM {table} WHERE id = ?",
                    [(row_number,) for row_number in changes["added"][table]],
                )
                marks = ", ".join("?" * (len(names) + 2))
                connection.executemany(
                    f"INSERT INTO {table} (bot, id, {', '.join(names)}) "
                    f"VALUES ({marks})",
                    [(bot, *values) for values in changes["removed"][table]],
                )
            connection.execute(
                "UPDATE events SET undone = 1 WHERE number = ?", (number,)
            )
            connection.execute(
                "INSERT INTO events (bot, moment, kind, summary, changes) "
                "VALUES (?, ?, 'undo', ?, '{}')",
                (bot, _now(), f"undone: {summary}"),
            )
            change_revision(connection, bot)
        return summary

    def history(self, bot: str, newest: int = -1) -> list[Event]:
        """All changes, or so many of the newest, newest last."""
        with self.file.transaction() as connection:
            rows = connection.execute(
                "SELECT number, moment, kind, summary FROM events WHERE bot = ? "
                "ORDER BY number DESC LIMIT ?",
                (bot, newest),
            ).fetchall()
        return [Event(*row) for row in reversed(rows)]

    def rows(self, bot: str, table: str) -> list[tuple[Any, ...]]:
        """Examples, responses or verdicts, oldest first; see `COLUMNS`."""
        with self.file.transaction() as connection:
            return Change(connection, bot).rows(table)

    def verdicts(self, bot: str) -> list[Verdict]:
        """What people thought of replies, oldest first."""
        rows = self.rows(bot, "verdicts")
        return [Verdict(text, said, bool(liked)) for text, said, liked in rows]

    def revision(self, bot: str) -> int:
        """A number that grows whenever examples change."""
        with self.file.transaction() as connection:
            row = connection.execute(
                "SELECT revision FROM bots WHERE bot = ?", (bot,)
            ).fetchone()
        return row[0] if row else 0

    def bots(self) -> list[str]:
        """The names of all bots that hold anything."""
        with self.file.transaction() as connection:
            rows = connection.execute(
                "SELECT bot FROM examples UNION SELECT bot FROM responses ORDER BY bot"
            ).fetchall()
        return [bot for (bot,) in rows]

    def vectors(self, model: str, texts: Iterable[str]) -> dict[str, np.ndarray]:
        """The vectors of those texts that a model has read before."""
        with self.file.transaction() as connection:
            rows = connection.execute(
                "SELECT text, vector FROM vectors WHERE model = ? AND text IN "
                "(SELECT value FROM json_each(?))",
                (model, json.dumps(list(texts))),
            ).fetchall()
        return {text: np.frombuffer(vector, "float32") for text, vector in rows}

    def save_vectors(self, model: str, vectors: dict[str, np.ndarray]) -> None:
        """Keeps vectors of texts."""
        with self.file.transaction(write=True) as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO vectors (model, text, vector) VALUES (?, ?, ?)",
                [
                    (model, text, np.asarray(vector, "float32").tobytes())
                    for text, vector in vectors.items()
                ],
            )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
