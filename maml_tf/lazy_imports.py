"""Public names that are imported when they are first asked for (PEP 562).

TensorFlow and Keras take seconds to load. A script's `--help`, a corpus reader and a
client of a server need neither, and so must not pay for the names beside theirs.
"""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_attributes(
    package: str, modules: Mapping[str, str], submodules: tuple[str, ...] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A package's `__getattr__` and `__dir__`, which import what is asked for.

    Type checkers do not see through it: import the same names under
    `if TYPE_CHECKING:` beside it.

    Args:
        package: the package's `__name__`.
        modules: for each public name the module that defines it.
        submodules: names that stand for modules of the package themselves.

    Returns:
        The two functions, to be assigned in the package's `__init__.py`.

    Example:

    >>> get, names = lazy_attributes("collections", {"sqrt": "math"}, ("abc",))
    >>> get("sqrt")(9.0), get("abc").__name__
    (3.0, 'collections.abc')
    >>> get("cube")
    Traceback (most recent call last):
    AttributeError: module 'collections' has no attribute 'cube'
    """

    def get(name: str) -> Any:
        if name in modules:
            value = getattr(import_module(modules[name]), name)
        elif name in submodules:
            value = import_module(f"{package}.{name}")
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        # The next time Python finds the name by itself.
        vars(sys.modules[package])[name] = value
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules, *submodules})

    return get, names
