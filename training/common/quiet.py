"""Keeps TensorFlow's start-up noise off the screen, so that a script is heard first."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

# `I0000 00:00:1795693453.769228    6204 port.cc:153] …`, of any level but fatal.
_LOG_LINE = re.compile(
    rb"[IWE]\d{4} \d\d:\d\d:\d[\d.]* +\d+ \S+:\d+\] "
    rb"|WARNING: All log messages before absl::InitializeLog\(\)"
)


def silence_tensorflow() -> None:
    """Lets TensorFlow's native code be silent, from now until it has been imported.

    Later messages obey TF_CPP_MIN_LOG_LEVEL, which is set to errors of fatal level
    unless the environment says otherwise. Those written while the library is loaded
    obey nothing: they are taken from the process' error output, and all other lines
    that were written meanwhile are passed on. Whoever sets the variable to 0 sees all.
    """
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if level != "0" and "tensorflow" not in sys.modules:
        sys.meta_path.insert(0, _QuietImport("tensorflow"))


class _QuietImport(MetaPathFinder):
    """Finds one module as Python does, and lets it be loaded without log lines."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _QuietLoader(spec.loader)
        return spec


class _QuietLoader(Loader):
    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # The module and its spec know their own loader again, as resources need.
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self.loader
        with log_lines_dropped():
            self.loader.exec_module(module)


@contextmanager
def log_lines_dropped() -> Iterator[None]:
    """Takes the log lines of native code out of what is written to error output."""
    try:
        screen = os.dup(2)
    except OSError:  # closed, as under some services: nothing can be written to it
        yield
        return
    with tempfile.TemporaryFile() as written:
        sys.stderr.flush()
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(screen, 2)
            os.close(screen)
            written.seek(0)
            for line in written:
                if not _LOG_LINE.match(line):
                    os.write(2, line)
