"""Running a script the way a user does."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def command(script: str, *flags: str) -> list[str]:
    return [sys.executable, "-m", f"training.{script}", *flags]


def run(script: str, *flags: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command(script, *flags),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
