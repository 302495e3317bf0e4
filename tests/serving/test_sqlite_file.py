"""The file of bots: durable, versioned, and clear about what is wrong with it."""

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from maml_tf.chatbot.memory import Memory
from maml_tf.serving import RequestError
from maml_tf.serving.sqlite_file import TABLES, VERSION, SQLiteFile

ROOT = Path(__file__).resolve().parents[2]
OLD = """
CREATE TABLE bots (bot TEXT PRIMARY KEY, revision INTEGER NOT NULL,
    state BLOB, state_revision INTEGER);
CREATE TABLE examples (id INTEGER PRIMARY KEY AUTOINCREMENT, bot TEXT NOT NULL,
    text TEXT NOT NULL, label TEXT NOT NULL);
INSERT INTO bots VALUES ('shop', 3, x'00', 3);
INSERT INTO examples (bot, text, label) VALUES ('shop', 'where is it', 'track');
"""


def run(path, script):
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()


def pragma(path, name):
    connection = sqlite3.connect(path)
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    connection.close()
    return value


def test_commits_wait_for_the_disk(tmp_path):
    file = SQLiteFile(tmp_path / "b.sqlite")
    with file.transaction() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert pragma(tmp_path / "b.sqlite", "user_version") == VERSION


def test_an_old_file_is_brought_up_to_date(tmp_path):
    path = tmp_path / "b.sqlite"
    run(path, OLD)
    memory = Memory(path)
    assert memory.read("shop").examples == [("where is it", "track")]
    assert memory.read("shop").state == b"\0" and memory.history("shop") == []
    assert pragma(path, "user_version") == VERSION


def test_a_file_of_the_first_version_gets_what_came_later(tmp_path):
    path = tmp_path / "b.sqlite"
    run(path, ";".join([*TABLES[0], "PRAGMA user_version = 1"]))
    run(path, "INSERT INTO responses (bot, intent, response) VALUES ('s', 'i', 'yes')")
    memory = Memory(path)
    memory.add("s", [("where is it", "i")])
    memory.set_threshold("s", "i", 0.5)
    assert Memory(path).read("s").thresholds == {"i": 0.5}
    with memory.file.transaction() as connection:
        kept = connection.execute("SELECT intent, response FROM responses").fetchall()
    assert kept == [("i", "yes")]
    assert pragma(path, "user_version") == VERSION


def test_a_newer_file_is_refused_as_it_is(tmp_path):
    path = tmp_path / "b.sqlite"
    Memory(path)
    run(path, f"PRAGMA user_version = {VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(RequestError, match="newer version of maml_tf"):
        Memory(path)
    assert path.read_bytes() == before


def test_files_that_are_none_of_ours(tmp_path):
    path = tmp_path / "b.sqlite"
    run(path, "CREATE TABLE songs (name TEXT)")
    with pytest.raises(RequestError, match="another program"):
        SQLiteFile(path)
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to be looked at. " * 20)
    with pytest.raises(RequestError, match="no store of bots"):
        SQLiteFile(text)
    with pytest.raises(RequestError, match="cannot be opened"):
        SQLiteFile(tmp_path / "no" / "folder.sqlite")
    with pytest.raises(RequestError, match="cannot be opened"):
        SQLiteFile(tmp_path)


def _teach(text, intent="a"):
    def decide(change):
        change.add("examples", text, intent)
        return "teach", "taught", None

    return decide


def test_a_full_disk_is_said_and_loses_nothing(tmp_path):
    memory = Memory(tmp_path / "b.sqlite")
    memory.change("shop", _teach("first"))
    with memory.file.transaction() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    memory.file._connection().execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(RequestError, match="full disk; make room"):
        memory.change("shop", _teach("long " * 10_000))
    memory.file._connection().execute("PRAGMA max_page_count = 100000")
    assert memory.rows("shop", "examples") == [("first", "a")]
    memory.change("shop", _teach("second"))
    assert len(memory.history("shop")) == 2


def test_a_writer_that_holds_the_file_is_named(tmp_path):
    memory = Memory(tmp_path / "b.sqlite")
    memory.file.patience = 0.1
    other = sqlite3.connect(tmp_path / "b.sqlite")
    other.execute("BEGIN IMMEDIATE")
    found = []

    def write():
        try:
            memory.change("shop", _teach("x"))
        except RequestError as error:
            found.append(str(error))

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    other.rollback()
    assert "held by another program" in found[0]
    memory.change("shop", _teach("x"))
    assert memory.rows("shop", "examples") == [("x", "a")]


WRITER = """
import sys
from maml_tf.chatbot.memory import Memory
memory = Memory(sys.argv[1])
for number in range(int(sys.argv[3])):
    def decide(change):
        change.add("examples", f"{sys.argv[2]} {number}", "a")
        return "teach", f"taught {number}", None
    memory.change("shop", decide)
    print(number, flush=True)
"""


def _start(path, name, count):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(count)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )


def test_two_processes_on_one_bot_lose_nothing(tmp_path):
    path = tmp_path / "b.sqlite"
    writers = [_start(path, name, 40) for name in ("one", "two")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    memory = Memory(path)
    assert sorted(memory.rows("shop", "examples")) == sorted(
        (f"{name} {number}", "a") for name in ("one", "two") for number in range(40)
    )
    assert len(memory.history("shop")) == 80 and memory.revision("shop") == 80


def test_what_was_acknowledged_survives_a_kill(tmp_path):
    path = tmp_path / "b.sqlite"
    for name in ("one", "two", "three"):
        writer = _start(path, name, 10_000)
        acknowledged = [int(writer.stdout.readline()) for _ in range(15)][-1]
        writer.kill()
        acknowledged = max(acknowledged, *map(int, writer.stdout.read().split()), 0)
        writer.wait()
        held = {text for text, _ in Memory(path).rows("shop", "examples")}
        assert {f"{name} {n}" for n in range(acknowledged + 1)} <= held
    memory = Memory(path)
    assert len(memory.history("shop")) == len(memory.rows("shop", "examples"))
