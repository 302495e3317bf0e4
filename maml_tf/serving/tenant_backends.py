"""Where bots are kept: SQLite, which needs nothing, and Redis.

A bot has a revision that grows with every change of its examples. A state is stored
with the revision it was made from and counts for that revision alone, so a writer that
comes between learning and storing loses nothing.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar

from maml_tf.serving.results import AdaptedState, StaleStateError
from maml_tf.serving.sqlite_file import OF_BOTS, SQLiteFile

Examples = list[tuple[str, str]]
Answer = TypeVar("Answer")


class Bot(NamedTuple):
    """A bot as it is stored.

    Attributes:
        revision: grows with every change; 0 where the bot has never been.
        examples: pairs of text and label, oldest first.
        state: what was learned from just these examples, or None.
        thresholds: the probability from which an intent is in scope, of those that
            have one of their own.
    """

    revision: int
    examples: Examples
    state: bytes | None
    thresholds: Mapping[str, float] = MappingProxyType({})


class TenantBackend(Protocol):
    """What a store of bots can do; every method is atomic."""

    def add(self, bot: str, examples: Examples) -> None:
        """Appends examples."""

    def remove(self, bot: str, text: str) -> int:
        """Removes every example with this text and says how many there were."""

    def read(self, bot: str) -> Bot:
        """Examples and state of one moment."""

    def save_state(self, bot: str, revision: int, state: bytes) -> None:
        """Stores a state that was made from the examples of that revision."""

    def set_threshold(self, bot: str, intent: str, probability: float | None) -> None:
        """Keeps an intent's threshold, or with None forgets it."""

    def delete(self, bot: str) -> None:
        """Removes the bot; its revision still grows."""

    def bots(self) -> list[str]:
        """The names of all bots that have examples, in order."""


def backend_at(where: "str | Path | TenantBackend") -> TenantBackend:
    """The backend of a place: a file, an address of Redis, or one that there is."""
    if not isinstance(where, (str, Path)):
        return where
    if str(where).startswith(("redis://", "rediss://", "unix://")):
        return RedisBackend(str(where))
    return SQLiteBackend(where)


def ask_learned(
    backend: TenantBackend,
    name: str,
    found: Bot,
    learn: Callable[[], AdaptedState],
    ask: Callable[[AdaptedState], Answer],
) -> Answer:
    """An answer from what was learned of a bot, learned now only if need be.

    Args:
        backend: where what is learned is kept.
        name: of the bot.
        found: the bot as it was read.
        learn: learns from its examples.
        ask: asks the model; the state may be another version's.
    """
    if found.state is not None:
        try:
            return ask(AdaptedState.from_bytes(found.state))
        except StaleStateError:
            pass
    state = learn()
    backend.save_state(name, found.revision, state.to_bytes())
    return ask(state)


class SQLiteBackend:
    """Bots in one SQLite file, for any number of threads and processes.

    Args:
        path: the file, made if need be.
        patience: seconds to wait for another writer.

    Example:

    >>> import tempfile, os
    >>> backend = SQLiteBackend(os.path.join(tempfile.mkdtemp(), "bots.sqlite"))
    >>> backend.add("shop", [("where is my parcel", "delivery")])
    >>> backend.read("shop").examples
    [('where is my parcel', 'delivery')]
    """

    def __init__(self, path: str | Path, patience: float = 30.0) -> None:
        self.file = SQLiteFile(path, patience)

    def add(self, bot: str, examples: Examples) -> None:
        with self.file.transaction(write=True) as connection:
            change_revision(connection, bot)
            connection.executemany(
                "INSERT INTO examples (bot, text, label) VALUES (?, ?, ?)",
                [(bot, text, label) for text, label in examples],
            )

    def remove(self, bot: str, text: str) -> int:
        with self.file.transaction(write=True) as connection:
            change_revision(connection, bot)
            return connection.execute(
                "DELETE FROM examples WHERE bot = ? AND text = ?", (bot, text)
            ).rowcount

    def read(self, bot: str) -> Bot:
        with self.file.transaction() as connection:
            row = connection.execute(
                "SELECT revision, CASE WHEN state_revision = revision THEN state END "
                "FROM bots WHERE bot = ?",
                (bot,),
            ).fetchone()
            examples = connection.execute(
                "SELECT text, label FROM examples WHERE bot = ? ORDER BY id", (bot,)
            ).fetchall()
            thresholds = connection.execute(
                "SELECT intent, probability FROM thresholds WHERE bot = ?", (bot,)
            ).fetchall()
        revision, state = row or (0, None)
        return Bot(revision, examples, state, dict(thresholds))

    def save_state(self, bot: str, revision: int, state: bytes) -> None:
        with self.file.transaction(write=True) as connection:
            connection.execute(
                "UPDATE bots SET state = ?, state_revision = ? "
                "WHERE bot = ? AND revision = ?",
                (state, revision, bot, revision),
            )

    def set_threshold(self, bot: str, intent: str, probability: float | None) -> None:
        with self.file.transaction(write=True) as connection:
            if probability is None:
                connection.execute(
                    "DELETE FROM thresholds WHERE bot = ? AND intent = ?", (bot, intent)
                )
            else:
                connection.execute(
                    "INSERT OR REPLACE INTO thresholds VALUES (?, ?, ?)",
                    (bot, intent, probability),
                )

    def delete(self, bot: str) -> None:
        with self.file.transaction(write=True) as connection:
            change_revision(connection, bot)
            for table in OF_BOTS:
                connection.execute(f"DELETE FROM {table} WHERE bot = ?", (bot,))
            connection.execute("UPDATE bots SET state = NULL WHERE bot = ?", (bot,))

    def bots(self) -> list[str]:
        with self.file.transaction() as connection:
            rows = connection.execute(
                "SELECT DISTINCT bot FROM examples ORDER BY bot"
            ).fetchall()
        return [bot for (bot,) in rows]


def change_revision(connection: sqlite3.Connection, bot: str) -> None:
    """Says, within a transaction, that the examples of a bot are other ones now."""
    connection.execute(
        "INSERT INTO bots (bot, revision) VALUES (?, 1) ON CONFLICT (bot) "
        "DO UPDATE SET revision = revision + 1",
        (bot,),
    )


class RedisBackend:
    """Bots in a Redis server, for any number of machines.

    Args:
        url: such as `redis://localhost:6379/0`.
        prefix: what every key starts with.

    Raises:
        ImportError: if the package redis is not installed.
    """

    def __init__(self, url: str, prefix: str = "maml_tf") -> None:
        try:
            import redis
        except ImportError as error:
            raise ImportError(
                "Redis needs `pip install 'maml-tf[redis]'`; SQLite needs nothing."
            ) from error
        self._redis: Any = redis.Redis.from_url(url)
        self.prefix = prefix

    def _keys(self, bot: str) -> tuple[str, str, str, str]:
        # The braces keep a bot's keys on one node of a cluster, as MULTI needs.
        base = f"{self.prefix}:{{{bot}}}"
        return (
            f"{base}:revision",
            f"{base}:examples",
            f"{base}:state",
            f"{base}:thresholds",
        )

    def add(self, bot: str, examples: Examples) -> None:
        revision, listed, _, _ = self._keys(bot)
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.incr(revision)
            if examples:
                pipe.rpush(listed, *map(json.dumps, examples))
                pipe.sadd(f"{self.prefix}:bots", bot)
            pipe.execute()

    def remove(self, bot: str, text: str) -> int:
        revision, listed, _, _ = self._keys(bot)

        def change(pipe: Any) -> None:
            found = [row for row in pipe.lrange(listed, 0, -1)]
            doomed = [row for row in found if json.loads(row)[0] == text]
            pipe.multi()
            pipe.incr(revision)
            for row in doomed:
                pipe.lrem(listed, 1, row)

        # Repeats itself where another writer changed the list in between.
        return sum(self._redis.transaction(change, listed, revision)[1:])

    def read(self, bot: str) -> Bot:
        revision, listed, kept, own = self._keys(bot)
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.get(revision).lrange(listed, 0, -1).hgetall(kept).hgetall(own)
            number, rows, stored, thresholds = pipe.execute()
        fresh = stored.get(b"revision") == number
        examples = [tuple(json.loads(row)) for row in rows]
        return Bot(
            int(number or 0),
            examples,
            stored.get(b"state") if fresh else None,
            {intent.decode(): float(value) for intent, value in thresholds.items()},
        )

    def save_state(self, bot: str, revision: int, state: bytes) -> None:
        _, _, kept, _ = self._keys(bot)
        # An outdated state may overwrite a newer one; `read` passes neither over it.
        self._redis.hset(kept, mapping={"revision": revision, "state": state})

    def set_threshold(self, bot: str, intent: str, probability: float | None) -> None:
        _, _, _, own = self._keys(bot)
        if probability is None:
            self._redis.hdel(own, intent)
        else:
            self._redis.hset(own, intent, probability)

    def delete(self, bot: str) -> None:
        revision, *others = self._keys(bot)
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.incr(revision).delete(*others)
            pipe.srem(f"{self.prefix}:bots", bot).execute()

    def bots(self) -> list[str]:
        return sorted(
            name.decode()
            for name in self._redis.smembers(f"{self.prefix}:bots")
            if self.read(name.decode()).examples
        )
