"""Which files of this folder are left out when doctests are looked for."""

import ast
from importlib.util import find_spec
from pathlib import Path


def missing_packages(source: str) -> list[str]:
    """Packages that a module imports at once and that are not installed.

    Other libraries' contenders need PyTorch or JAX, which come with the extra `bench`.
    """
    names = []
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Import):
            names += [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom) and not statement.level:
            names.append(str(statement.module))
    packages = sorted({name.partition(".")[0] for name in names})
    return [package for package in packages if find_spec(package) is None]


def left_out(path: Path) -> bool:
    source = path.read_text(encoding="utf-8")
    # A script defines flags when it is imported, and a flag is defined once a process.
    is_script = 'if __name__ == "__main__":' in source
    return is_script or bool(missing_packages(source))


collect_ignore = [
    str(path) for path in sorted(Path(__file__).parent.rglob("*.py")) if left_out(path)
]
