"""The terminal: a conversation from a pipe, its commands, and what goes wrong."""

import os
import pty
import select
import subprocess
import sys
import time

import pytest
from chatbot.words import client
from script_runs import ROOT
from serving.small_exports import exports

from maml_tf.chatbot import Chatbot
from maml_tf.serving import RequestError
from training.common.chat_commands import HELP, Commands


@pytest.fixture
def commands(tmp_path):
    bot = Chatbot(client(), tmp_path / "b.sqlite", bot="shop")
    return Commands(lambda: bot, "shop")


def say(commands, *lines):
    """What the last of the lines shows."""
    for line in lines:
        shown = commands.answer(line)
    return "\n".join(text for _, text in shown.lines)


TAUGHT = (
    "/teach track where is my parcel | when will my parcel arrive",
    "/say track It is on its way. | It comes tomorrow.",
    '/teach "money back" I want my money back',
)


def test_a_conversation(commands):
    say(commands, *TAUGHT)
    assert "track, 1.00" in say(commands, "where is my parcel")
    why = say(commands, "/why")
    assert "track: where is my parcel" in why and "above the bot's threshold" in why
    asks = commands.answer("play some jazz")
    assert asks.lines[0][0] == "asks" and "/correct INTENT" in asks.lines[1][1]
    assert say(commands, "/correct music") == "music: 1 new."
    assert "music" in say(commands, "play some jazz")
    assert say(commands, "/never") == "for none: 1 new."
    assert "for none: 1 example" in say(commands, "/intents")
    assert say(commands, "/undo") == "Undone: 'play some jazz' is for no intent."
    assert "  → It comes tomorrow." in say(commands, "/intents track")
    assert "forgot 1 example" in say(commands, "/forget music")
    assert say(commands, "/history").count("\n") == 6
    assert "not said to that again" in say(commands, "where is my parcel", "/bad")
    assert say(commands, "where is my big parcel", "/good") == "track: 1 new."


def test_files(commands, tmp_path):
    say(commands, *TAUGHT)
    path = tmp_path / "a bot.yml"
    say(commands, f"/export {path}", "/forget track")
    assert "2 examples and 2 responses are new" in say(commands, f"/import {path}")


def test_contradictions_are_shown(commands):
    say(commands, *TAUGHT)
    shown = commands.answer('/teach "money back" where is my parcel')
    assert [manner for manner, _ in shown.lines] == ["note", "warning", "warning"]


WRONG = {
    "/nonsense": "no command '/nonsense'",
    "/teach": "Write /teach INTENT EXAMPLE",
    "/say track": "Write /say INTENT RESPONSE",
    "/correct a b": "Write /correct INTENT",
    "/correct a": "Say something first",
    "/why": "Say something first",
    "/never": "Say something first",
    "/intents nothing": "no intent 'nothing'",
    "/import": "Write /import FILE",
    "/import /no/such/file": "does not exist",
    "/export": "Write /export FILE",
    "/undo": "nothing to undo",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_said(commands, line):
    with pytest.raises(RequestError, match=WRONG[line]):
        commands.answer(line)


def test_completions(commands):
    say(commands, *TAUGHT)
    assert commands.completions("/te") == ["/teach"]
    assert commands.completions("/correct ") == ['"money back"', "track"]
    assert commands.completions("/correct t") == ["track"]
    assert commands.completions("hello /te") == commands.completions("/undo t") == []
    assert {*HELP} == {*commands.completions("/")}


def test_leaving_and_nothing(commands):
    assert commands.answer("/quit") is None and commands.answer(" ").lines == []


def start(*flags, **pipes):
    return subprocess.Popen(
        [sys.executable, "-m", "training.chat", *flags],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
        **pipes,
    )


def piped(lines, *flags):
    """What it says to lines from a pipe; it ends well and without a word of errors."""
    talk = start(
        *flags,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said, errors = talk.communicate(lines, timeout=200)
    assert talk.returncode == 0 and errors == ""
    return said


def test_a_pipe_gets_answers_and_nothing_of_the_framework(tmp_path):
    export, store = exports("prototypical").folder, tmp_path / "b.sqlite"
    lines = "/teach a turn on the lamp\n/teach b play a song\n/bogus\n/intents\n"
    said = piped(lines, f"--saved_model={export}", f"--store={store}")
    assert "\x1b" not in said and said.splitlines() == [
        "  a: 1 new.",
        "  b: 1 new.",
        "There is no command '/bogus'; /help lists them.",
        "  a: 1 example, 0 responses",
        "  b: 1 example, 0 responses",
    ]
    none = tmp_path / "none.sqlite"
    wrong = start(
        "--saved_model=/no/such", f"--store={none}", stderr=subprocess.PIPE, text=True
    )
    _, errors = wrong.communicate(timeout=200)
    assert wrong.returncode == 1 and errors.count("\n") == 1
    assert "/no/such holds no export" in errors and not none.exists()
    newer = tmp_path / "no.sqlite"
    newer.write_bytes(b"no database " * 100)
    wrong = start(f"--store={newer}", stderr=subprocess.PIPE, text=True)
    _, errors = wrong.communicate(timeout=200)
    assert wrong.returncode == 1 and "is no store of bots" in errors


def test_the_model_may_be_that_of_a_server(server, tmp_path):
    lines = "/teach a turn on the lamp\n/teach b play a song\nplay a song\n"
    for number, place in enumerate(
        (
            f"http://127.0.0.1:{server.rest_port}/v1/models/bot",
            f"grpc://127.0.0.1:{server.grpc_port}/bot",
        )
    ):
        store = tmp_path / str(number)
        said = piped(lines, f"--saved_model={place}", f"--store={store}")
        assert said.splitlines()[:2] == ["  a: 1 new.", "  b: 1 new."]
        assert len(said.splitlines()) == 4
    wrong = start(
        "--saved_model=http://127.0.0.1:1/bot",
        f"--store={tmp_path / 'b.sqlite'}",
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _, errors = wrong.communicate("hello\n", timeout=200)
    assert wrong.returncode == 1 and "Nothing answers at http://127.0.0.1:1" in errors


def test_a_person_is_greeted_at_once_and_leaves_by_control_d(tmp_path):
    export = exports("prototypical").folder
    ours, theirs = pty.openpty()
    talk = start(
        f"--saved_model={export}",
        f"--store={tmp_path / 'b.sqlite'}",
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    screen, end = b"", time.monotonic() + 200
    while talk.poll() is None:
        assert time.monotonic() < end, screen
        ready, _, _ = select.select([ours], [], [], 0.5)
        if ready:
            try:
                screen += os.read(ours, 1000)
            except OSError:  # the other side is closed
                break
        elif b"?2004h" in screen:  # it reads keys
            os.write(ours, b"\x04")
    os.close(ours)
    assert talk.wait(60) == 0
    assert b"/help lists the commands" in screen and b"Traceback" not in screen
