"""Running a script the way a user does."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def command(script: str, *flags: str) -> list[str]:
    return [sys.executable, "-m", f"training.{script}", *flags]


def run(script: str, *flags: str) -> subprocess.CompletedProcess:
    # The tests' own level of TensorFlow's log is no user's.
    kept = {
        name: at for name, at in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"
    }
    return subprocess.run(
        command(script, *flags),
        cwd=ROOT,
        env=kept,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
