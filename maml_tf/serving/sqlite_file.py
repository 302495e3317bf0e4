"""One SQLite file of bots: its tables, its version, and what its errors mean to people.

What has been committed is on the disk: a process that is killed, and a machine that
loses its power, lose nothing of it.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maml_tf.serving.results import NotStored, RequestError

VERSION = 2
# What each version has beside the one before it; a store of version 0 has the first two
# tables alone.
TABLES = (
    (
        """CREATE TABLE IF NOT EXISTS bots (
            bot TEXT PRIMARY KEY, revision INTEGER NOT NULL,
            state BLOB, state_revision INTEGER)""",
        """CREATE TABLE IF NOT EXISTS examples (
            id INTEGER PRIMARY KEY AUTOINCREMENT, bot TEXT NOT NULL,
            text TEXT NOT NULL, label TEXT NOT NULL)""",
        "CREATE INDEX IF NOT EXISTS examples_of_bot ON examples (bot, id)",
        # What a chatbot keeps beside: see maml_tf.chatbot.
        """CREATE TABLE responses (
            id INTEGER PRIMARY KEY AUTOINCREMENT, bot TEXT NOT NULL,
            intent TEXT NOT NULL, response TEXT NOT NULL)""",
        "CREATE INDEX responses_of_bot ON responses (bot, intent, id)",
        """CREATE TABLE verdicts (
            id INTEGER PRIMARY KEY AUTOINCREMENT, bot TEXT NOT NULL,
            text TEXT NOT NULL, reply TEXT NOT NULL, liked INTEGER NOT NULL)""",
        "CREATE INDEX verdicts_of_bot ON verdicts (bot, id)",
        """CREATE TABLE events (
            number INTEGER PRIMARY KEY AUTOINCREMENT, bot TEXT NOT NULL,
            moment TEXT NOT NULL, kind TEXT NOT NULL, summary TEXT NOT NULL,
            changes TEXT NOT NULL, undone INTEGER NOT NULL DEFAULT 0)""",
        "CREATE INDEX events_of_bot ON events (bot, number)",
        """CREATE TABLE vectors (
            model TEXT NOT NULL, text TEXT NOT NULL, vector BLOB NOT NULL,
            PRIMARY KEY (model, text)) WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE thresholds (
            bot TEXT NOT NULL, intent TEXT NOT NULL, probability REAL NOT NULL,
            PRIMARY KEY (bot, intent)) WITHOUT ROWID""",
    ),
)
OF_BOTS = ("examples", "responses", "verdicts", "events", "thresholds")


class SQLiteFile:
    """A file of bots, for any number of threads and processes.

    Args:
        path: the file, made if need be.
        patience: seconds to wait for another writer.

    Raises:
        RequestError: if it cannot be opened, is no file of bots, or of a newer version.

    Example:

    >>> import tempfile, os
    >>> file = SQLiteFile(os.path.join(tempfile.mkdtemp(), "bots.sqlite"))
    >>> with file.transaction() as connection:
    ...     connection.execute("SELECT count(*) FROM bots").fetchone()
    (0,)
    """

    def __init__(self, path: str | Path, patience: float = 30.0) -> None:
        self.path, self.patience = str(Path(path).expanduser()), patience
        self._local = threading.local()
        try:
            self._prepare(self._connection())
        except sqlite3.Error as error:
            raise self._explained(error) from error

    @contextmanager
    def transaction(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """All of it happens, or nothing; reads see one moment.

        Raises:
            NotStored: if the disk is full, or the file cannot be read or written.
        """
        try:
            connection = self._connection()
            # A reader that begins to write could find that another has written since.
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _connection(self) -> sqlite3.Connection:
        """One connection a thread."""
        if not hasattr(self._local, "connection"):
            connection = sqlite3.connect(self.path, timeout=self.patience)
            # A commit waits for the disk.
            connection.execute("PRAGMA synchronous = FULL")
            self._local.connection = connection
        return self._local.connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if self._version(connection) == VERSION:
            return
        end = time.monotonic() + self.patience
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError:  # this one does not wait for others
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        with self.transaction(write=True):
            # Another process may have been faster.
            for statements in TABLES[self._version(connection) :]:
                for statement in statements:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")

    def _version(self, connection: sqlite3.Connection) -> int:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        names = {n for (n,) in connection.execute("SELECT name FROM sqlite_master")}
        if names and "bots" not in names:
            raise RequestError(
                f"{self.path} is a SQLite file of another program; give another name "
                "for the store of bots."
            )
        if version > VERSION:
            raise RequestError(
                f"{self.path} was written by a newer version of maml_tf (its format is "
                f"{version}, and this version reads formats up to {VERSION}); install "
                "the newer one. Nothing was changed."
            )
        return version

    def _explained(self, error: sqlite3.Error) -> NotStored:
        name = getattr(error, "sqlite_errorname", "")
        for start, sentence in (
            ("SQLITE_FULL", "lies on a full disk; make room there and try again."),
            (
                "SQLITE_IOERR",
                "cannot be written; the disk may be full or broken, or files may not "
                "grow further. Make room there and try again.",
            ),
            ("SQLITE_BUSY", "is held by another program; try again."),
            ("SQLITE_LOCKED", "is held by another program; try again."),
            ("SQLITE_NOTADB", "is no store of bots; give another name."),
            ("SQLITE_CORRUPT", "is damaged; restore it from a copy."),
            ("SQLITE_READONLY", "may not be written to; change its permissions."),
            (
                "SQLITE_CANTOPEN",
                "cannot be opened; give a file in a folder that is there and may be "
                "written to.",
            ),
        ):
            if name.startswith(start):
                return NotStored(f"{self.path} {sentence} Nothing was changed.")
        return NotStored(f"{self.path} cannot be used: {error}. Nothing was changed.")
