"""How the chatbot's server ends, and what keeps it from starting."""

import signal
import socket
import sqlite3
import subprocess

import pytest
from script_runs import ROOT, command, run

pytest.importorskip("uvicorn")


def refused(*flags):
    done = run("chat_web", *flags)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    return done.stderr


def test_a_store_of_a_newer_version_and_a_file_that_is_none(tmp_path):
    newer, other = tmp_path / "newer.sqlite", tmp_path / "notes.txt"
    with sqlite3.connect(newer) as connection:
        connection.execute("CREATE TABLE bots (bot TEXT)")
        connection.execute("PRAGMA user_version = 99")
    other.write_text("nothing of a database " * 100)
    before = newer.read_bytes(), other.read_bytes()
    assert "newer version" in refused(f"--store={newer}", "--port=0")
    assert "no store of bots" in refused(f"--store={other}", "--port=0")
    assert (newer.read_bytes(), other.read_bytes()) == before


def test_a_port_that_is_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(f"--port={port}", f"--store={tmp_path / 'bots.sqlite'}")
    assert f"port {port}" in said and "--port" in said
    assert not (tmp_path / "bots.sqlite").exists()


def test_an_export_that_is_not_there(tmp_path):
    missing = tmp_path / "nowhere"
    store = f"--store={tmp_path / 'bots.sqlite'}"
    assert "nowhere" in refused(f"--saved_model={missing}", store, "--port=0")


def test_a_token_that_is_easily_guessed(tmp_path):
    said = refused("--token=1234", f"--store={tmp_path / 'bots.sqlite'}")
    assert "8 characters" in said


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("http://localhost:1", "write http://HOST:PORT/MODEL"),
        ("grpc://localhost:1/a/b", "write grpc://HOST:PORT/MODEL"),
        ("http://127.0.0.1:1/bot", "Nothing answers at http://127.0.0.1:1"),
    ],
)
def test_an_address_that_is_none(tmp_path, place, sentence):
    store = tmp_path / "bots.sqlite"
    said = refused(f"--saved_model={place}", f"--store={store}", "--port=0")
    assert sentence in said


def test_a_language_model_that_is_not_there(tmp_path):
    flags = (f"--store={tmp_path / 'bots.sqlite'}", "--port=0")
    assert "nowhere holds no export" in refused(
        f"--language_model={tmp_path / 'nowhere'}", *flags
    )


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_without_a_word(server, tmp_path, kind):
    program = subprocess.Popen(
        command(
            "chat_web",
            f"--saved_model=http://127.0.0.1:{server.rest_port}/bot",
            f"--store={tmp_path / 'bots.sqlite'}",
            "--port=0",
        ),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert "http://127.0.0.1" in program.stdout.readline()
        program.send_signal(kind)
        assert program.communicate(timeout=60) == ("", "")
        assert program.returncode == 0
    finally:
        program.kill()
