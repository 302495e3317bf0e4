"""Small faults put into the package one by one, to see whether its tests notice.

    make mutants
    python tests/mutants.py --sample=20 maml_tf/inner_loop/sums.py
    python tests/mutants.py --again=build/mutants.json maml_tf/inner_loop

cosmic-ray says what can be changed. TensorFlow is imported once, before anything is
forked; a child takes the changed text in place of one module's, and runs the tests that
reach the changed line, the quickest first, for as long as `--seconds`. No file of the
tree is written but the one of `--results`.

Left out is what no test can notice: type annotations, imports for types alone, `is` for
`==`, decorators that only mark or remember (`QUIET_DECORATORS`), `frozen` dataclasses.
"""

import argparse
import ast
import contextlib
import difflib
import gc
import importlib.util
import json
import os
import random
import resource
import signal
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from reached_lines import Measuring, Reach

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ["maml_tf/episodes", "maml_tf/inner_loop"]
QUIET_DECORATORS = {"abstractmethod", "overload", "cache", "lru_cache", "wraps"}
SAME_COMPARISONS = {frozenset({"Eq", "Is"}), frozenset({"NotEq", "IsNot"})}


@dataclass(frozen=True)
class Mutant:
    """The change number `occurrence` that an operator of cosmic-ray makes in a file."""

    file: str
    line: int
    operator: str
    occurrence: int

    def source(self) -> str:
        from cosmic_ray.mutating import mutate_code
        from cosmic_ray.operators.provider import OperatorProvider

        operator = OperatorProvider()[self.operator]()
        return mutate_code((ROOT / self.file).read_text(), operator, self.occurrence)

    def difference(self) -> list[str]:
        old, new = (ROOT / self.file).read_text(), self.source()
        lines = difflib.unified_diff(old.split("\n"), new.split("\n"), n=0, lineterm="")
        return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def unnoticeable(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            if isinstance(getattr(node, name, None), ast.AST):
                yield getattr(node, name)
        for decorator in getattr(node, "decorator_list", []):
            for keyword in getattr(decorator, "keywords", []):
                if keyword.arg == "frozen":
                    yield keyword
            if QUIET_DECORATORS & set(
                ast.unparse(decorator).replace("(", ".").split(".")
            ):
                yield decorator
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield node


def mutants(file: str, generator: random.Random) -> list[Mutant]:
    """One mutant for every place of a file where there are some."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.operators.provider import OperatorProvider

    text = (ROOT / file).read_text()
    spans = [
        ((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset))
        for node in unnoticeable(ast.parse(text))
    ]
    nodes = list(ast_nodes(get_ast(text)))
    places = defaultdict(list)
    provider = OperatorProvider()
    for name in sorted(provider):
        # These two want to be told the names of variables.
        if name in ("VariableReplacer", "VariableInserter"):
            continue
        positions = [
            p for node in nodes for p in provider[name]().mutation_positions(node)
        ]
        for occurrence, (start, end) in enumerate(positions):
            same = frozenset(name.split("_")[1:]) in SAME_COMPARISONS
            # A decorator's place begins at its @, before the node of `ast`.
            inside = any(a <= end and start <= b for a, b in spans)
            if not same and not inside:
                places[start, end].append(Mutant(file, start[0], name, occurrence))
    return [generator.choice(places[place]) for place in sorted(places)]


class Changed(SourceFileLoader):
    """Finds and loads one module by a text that lies elsewhere; a plugin of pytest.

    Its code names that file, so AutoGraph and tracebacks see what runs; its `__file__`
    is the module's own.
    """

    def __init__(self, file: str, text: Path):
        name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        super().__init__(name, str(ROOT / file))
        self.text = text

    def pytest_sessionstart(self) -> None:
        # Before pytest's own, which would load the modules whose examples are run.
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.text.read_text(), str(self.text), "exec")


def forked(work: Callable[[Path], int], seconds: float) -> tuple[int | None, str]:
    """A child's exit status, None where it ran out of time, and what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.setpgid(0, 0)
                # Of the processor, because others may use it; the alarm is for what
                # waits forever, and for a parent that was killed.
                resource.setrlimit(resource.RLIMIT_CPU, (round(seconds), -1))
                signal.alarm(round(20 * seconds))
                to = os.open(log, os.O_WRONLY | os.O_CREAT)
                os.dup2(to, 1)
                os.dup2(to, 2)
                status = work(Path(folder))
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        # What its tests started and left.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        late = os.WIFSIGNALED(status) and os.WTERMSIG(status) in (
            signal.SIGXCPU,
            signal.SIGALRM,
        )
        return None if late else status, log.read_text(errors="replace")


def run_tests(tests: list[str], folder: Path, *more: str, plugins: Any = ()) -> int:
    quiet = ("-q", "-p", "no:cacheprovider", f"--basetemp={folder / 'pytest'}")
    return pytest.main([*quiet, *more, *tests], plugins=plugins)


def try_mutant(file: str, source: str, tests: list[str], seconds: float) -> str:
    def work(folder: Path) -> int:
        (folder / "changed.py").write_text(source)
        changed = Changed(file, folder / "changed.py")
        return run_tests(tests, folder, "-x", plugins=[changed])

    status, _ = forked(work, seconds)
    return "late" if status is None else "killed" if status else "survived"


def measured(folder: str, tests: list[str], limit: float) -> Reach:
    with tempfile.TemporaryDirectory() as at:
        kept = Path(at) / "reach.json"

        def work(temporary: Path) -> int:
            measuring = Measuring(ROOT, folder, limit)
            run_tests(tests, temporary, plugins=[measuring])
            measuring.reach.save(kept)
            return 0

        status, printed = forked(work, 3600)
        if status != 0:
            raise RuntimeError(printed)
        return Reach.load(kept)


def files_below(path: str) -> list[str]:
    at = ROOT / path
    found = sorted(at.rglob("*.py")) if at.is_dir() else [at]
    return [str(file.relative_to(ROOT)) for file in found]


def try_all(
    path: str, tried: list[Mutant], reach: Reach, seconds: float
) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    survivors = []
    controlled = set()
    for number, mutant in enumerate(
        sorted(tried, key=lambda one: (one.file, one.line))
    ):
        tests = reach.quickest(ROOT, mutant.file, mutant.line, seconds)
        patience = 15 + 5 * sum(reach.seconds[test] for test in tests)
        if mutant.file not in controlled:
            # Unchanged, it has to pass, or all of its mutants would seem killed.
            controlled.add(mutant.file)
            text = (ROOT / mutant.file).read_text()
            if try_mutant(mutant.file, text, tests, patience) != "survived":
                raise RuntimeError(f"{mutant.file} unchanged fails {tests}")
        outcome = try_mutant(mutant.file, mutant.source(), tests, patience)
        counts[outcome] += 1
        if outcome == "survived":
            difference = mutant.difference()
            survivors.append(
                {"mutant": asdict(mutant), "change": difference, "tests": len(tests)}
            )
            print(f"\n{mutant.file}:{mutant.line}", *difference, sep="\n")
        print(f"{path} {number + 1}/{len(tried)} {dict(counts)}", flush=True)
    return {**counts, "survivors": survivors}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("paths", nargs="*", default=FOLDERS)
    parser.add_argument("--sample", type=int, default=150, help="mutants of each path")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--seconds", type=float, default=4, help="of tests, for a mutant"
    )
    parser.add_argument("--tests", nargs="*", help="in place of the path's own")
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "mutants.json")
    parser.add_argument("--again", type=Path, help="results, of which to try survivors")
    flags = parser.parse_args()
    os.chdir(ROOT)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    import hypothesis  # noqa: F401
    import keras_nlp  # noqa: F401
    import tensorflow  # noqa: F401

    # What is loaded by now is not looked through, nor copied for it, in every child.
    gc.collect()
    gc.freeze()

    results = {}
    for path in flags.paths:
        generator = random.Random(flags.seed)
        if flags.again:
            known = json.loads(flags.again.read_text())[path]["survivors"]
            tried = [Mutant(**one["mutant"]) for one in known]
        else:
            places = [
                one for file in files_below(path) for one in mutants(file, generator)
            ]
            tried = generator.sample(places, min(flags.sample, len(places)))
        folder = "/".join(Path(path).parts[:2])
        tests = flags.tests or [folder.replace("maml_tf", "tests"), folder]
        reach = measured(folder, tests, flags.seconds)
        results[path] = try_all(path, tried, reach, flags.seconds)
        results[path] |= {"seed": flags.seed, "sampled": len(tried)}
    flags.results.parent.mkdir(exist_ok=True)
    flags.results.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
