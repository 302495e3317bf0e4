"""Running a script the way a user does."""

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 300


def command(script: str, *flags: str) -> list[str]:
    return [sys.executable, "-m", f"training.{script}", *flags]


def run(script: str, *flags: str) -> subprocess.CompletedProcess:
    """What `python -m training.SCRIPT` does, its libraries loaded beforehand."""
    server = _server()
    with (
        tempfile.NamedTemporaryFile("r") as stdout,
        tempfile.NamedTemporaryFile("r") as stderr,
    ):
        asked = {
            "script": script,
            "flags": flags,
            "stdout": stdout.name,
            "stderr": stderr.name,
            "seconds": SECONDS,
        }
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        return subprocess.CompletedProcess(
            command(script, *flags), status, stdout.read(), stderr.read()
        )


@cache
def _server() -> subprocess.Popen:
    # The level that scripts set for themselves, instead of the tests' own.
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("script_server.py"))],
        cwd=ROOT,
        env={
            **env,
            "PYTHONPATH": os.pathsep.join([str(ROOT), env.get("PYTHONPATH", "")]),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
