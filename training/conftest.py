"""Doctests of the scripts' pieces; a script itself defines flags, once a process."""

from pathlib import Path

collect_ignore = [
    str(path)
    for path in Path(__file__).parent.rglob("*.py")
    if "flags.DEFINE_" in path.read_text(encoding="utf-8")
]
