"""Which tests reach a line of the package, and how long they take."""

import ast
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class Reach:
    """Processor seconds of each test, and of each file the tests that reach a line.

    A file is named from the root of the project, a test as pytest names it.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[int, list[str]]] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps([self.seconds, self.lines]))

    @classmethod
    def load(cls, path: Path) -> "Reach":
        seconds, lines = json.loads(path.read_text())
        by_number = {
            file: {int(line): tests for line, tests in of_file.items()}
            for file, of_file in lines.items()
        }
        return cls(seconds, by_number)

    def quickest(self, root: Path, file: str, line: int, seconds: float) -> list[str]:
        """The quickest tests of a line that together take so long, but at least one.

        Where none is seen to reach it, those of its function, of its file, or any:
        AutoGraph runs a function from a file of its own.
        """
        lines = self.lines.get(file, {})
        functions = [
            range(node.lineno, node.end_lineno + 1)
            for node in ast.walk(ast.parse((root / file).read_text()))
            if isinstance(node, ast.FunctionDef)
        ]
        around = sorted((span for span in functions if line in span), key=len)
        found = set(self.seconds)
        for span in ([line], *around, lines):
            reaching = {test for at in span for test in lines.get(at, ())}
            if reaching & found:
                found &= reaching
                break
        left, some = seconds, []
        for test in sorted(found, key=self.seconds.__getitem__):
            left -= self.seconds[test]
            if some and left < 0:
                break
            some.append(test)
        # A module's tests stand together, so that its fixtures are made once.
        modules = list(dict.fromkeys(test.split("::")[0] for test in some))
        return sorted(some, key=lambda test: modules.index(test.split("::")[0]))


class Measuring:
    """A plugin of pytest that fills a `Reach` with the tests that pass in time."""

    def __init__(self, root: Path, folder: str, limit: float):
        from coverage import Coverage

        self.root, self.limit = root, limit
        self.coverage = Coverage(data_file=None, source=[str(root / folder)])
        self.reach = Reach()

    def pytest_sessionstart(self) -> None:
        self.coverage.start()

    def pytest_sessionfinish(self) -> None:
        self.coverage.stop()
        data = self.coverage.get_data()
        self.reach.lines = {
            str(Path(file).relative_to(self.root)): data.contexts_by_lineno(file)
            for file in data.measured_files()
        }

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.coverage.switch_context(item.nodeid)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        # A slow one runs to its end: ended in the middle of a trace, it would leave
        # TensorFlow in a state in which those after it fail.
        began = time.process_time()
        passed = yield
        seconds = time.process_time() - began
        if seconds <= self.limit:
            self.reach.seconds[item.nodeid] = seconds
        return passed
