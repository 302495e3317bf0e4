"""The command `maml-tf`: one word in front of every script that a user runs.

    maml-tf train --help

is `python -m training.train --help` of a checkout.
"""

import ast
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path

COMMANDS = (
    "demo",
    "chat",
    "export",
    "predict",
    "serve",
    "chat_web",
    "report",
    "train",
    "evaluate",
    "pretrain",
    "train_feedback",
    "train_persona",
    "evaluate_feedback",
    "evaluate_persona",
)


def main() -> None:
    """Runs the script that the command line names."""
    name, rest = (sys.argv[1:2] or ["help"])[0], sys.argv[2:]
    if name in ("help", "-h", "--help", "--helpfull", "--helpshort"):
        print(overview())
        return
    if name == "--version":
        from importlib.metadata import version

        print(f"maml-tf {version('maml-tf')}")
        return
    if name not in COMMANDS:
        sys.exit(f"maml-tf: there is no command {name!r}.\n\n{overview()}")
    sys.argv[1:] = rest
    runpy.run_module(f"{__package__}.{name}", run_name="__main__", alter_sys=True)


def overview() -> str:
    """What every command does, in its own first words."""
    lines = [f"  {name:16} {first_sentence(name)}" for name in COMMANDS]
    return "\n".join(
        [
            "Meta-learning for chatbots. Usage: maml-tf COMMAND [--flag=value …]",
            "",
            *lines,
            "",
            "maml-tf COMMAND --help explains its flags.",
        ]
    )


def first_sentence(name: str) -> str:
    """The first line of a script's documentation, read without running it."""
    spec = find_spec(f"{__package__}.{name}")
    assert spec is not None and spec.origin is not None
    source = Path(spec.origin).read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


if __name__ == "__main__":
    main()
