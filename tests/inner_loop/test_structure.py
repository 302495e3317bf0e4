"""Imports in the inner loop point one way."""

import ast
from pathlib import Path

import maml_tf.inner_loop

ROOT = Path(maml_tf.inner_loop.__file__).parent


def imported_by_module() -> dict[str, set[str]]:
    """Every module of the inner loop, and those of it that it names in an import.

    Imports for type checkers and inside functions count as well.
    """
    modules = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT.parent.parent).with_suffix("").parts
        modules[".".join(parts).removesuffix(".__init__")] = path
    found = {}
    for module, path in modules.items():
        names = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module, *(f"{node.module}.{a.name}" for a in node.names)}
            elif isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
        found[module] = {name for name in names if name in modules} - {module}
    return found


def test_no_circle():
    remaining = imported_by_module()
    # A package is imported before its modules: what it gathers is no circle.
    remaining.pop("maml_tf.inner_loop")
    while remaining:
        free = {m for m, names in remaining.items() if not names & set(remaining)}
        assert free, f"these import each other: {sorted(remaining)}"
        for module in free:
            del remaining[module]
