"""What TensorFlow writes while it starts does not reach the screen."""

import os
import subprocess
import sys

import pytest
from script_runs import ROOT

from training.common.quiet import log_lines_dropped


def stderr_of(code: str, **environment: str) -> str:
    kept = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stderr


def test_a_script_is_heard_first():
    code = (
        "import training, tensorflow as tf; tf.constant(1) + 1; "
        "assert type(tf.__loader__) is type(training.__loader__)"
    )
    assert stderr_of(code) == ""
    assert "I0000" in stderr_of(code, TF_CPP_MIN_LOG_LEVEL="0")


def test_only_log_lines_are_dropped(capfd):
    info = b"I0000 00:00:1795693453.769228    6204 port.cc:153] oneDNN is on.\n"
    fatal = b"F0000 00:00:1795693453.769228    6204 port.cc:153] out of luck\n"
    with log_lines_dropped():
        for line in (info, fatal, b"a warning of Python's\n"):
            os.write(2, line)
    os.write(2, b"after\n")
    assert capfd.readouterr().err == (fatal.decode() + "a warning of Python's\nafter\n")


def test_what_fails_while_it_is_loaded_is_still_told(capfd):
    with pytest.raises(ImportError, match="no such"), log_lines_dropped():
        os.write(2, b"a reason\n")
        raise ImportError("no such library")
    assert capfd.readouterr().err == "a reason\n"
