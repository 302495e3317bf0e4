"""The wheel and its command, outside a checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from script_runs import ROOT

from training.command_line import COMMANDS

BUILD = "import setuptools.build_meta as build; print(build.build_wheel('wheel'))"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with what a wheel of this checkout puts into site-packages."""
    build = tmp_path_factory.mktemp("build")
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        (build / name).symlink_to(ROOT / name)
    for name in ("maml_tf", "training"):
        (build / name).symlink_to(ROOT / name)
    done = subprocess.run(
        [sys.executable, "-c", BUILD],
        cwd=build,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(build / "wheel" / done.stdout.split()[-1]) as wheel:
        wheel.extractall(folder)
    return folder


def run(site: Path, *arguments: str, before: str = "") -> subprocess.CompletedProcess:
    """Runs the command as pip's little script does, and says what it imported."""
    code = (
        "import sys, atexit; from maml_tf.commands.command_line import main; "
        "atexit.register(lambda: print('loaded:', *sys.modules)); "
        "sys.argv[0] = 'maml-tf'; main()"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_wheel_holds_one_package_and_no_tests(site):
    names = {path.name for path in site.iterdir() if path.suffix != ".dist-info"}
    assert names == {"maml_tf"}
    there = {path.stem for path in (site / "maml_tf" / "commands").glob("*.py")}
    assert {*COMMANDS, "command_line"} <= there
    assert "conftest" not in there
    packages = {path.parent for path in (ROOT / "maml_tf").rglob("*.py")}
    for package in packages:
        assert (site / "maml_tf" / package.relative_to(ROOT / "maml_tf")).is_dir()
    deltas = [p.name for p in (site / "maml_tf/base_learners/deltas").iterdir()]
    assert {"minilm-intents.npz", "minilm-intents.json"} <= set(deltas)
    page = {p.name for p in (ROOT / "maml_tf/chatbot/web/page").iterdir()}
    assert {p.name for p in (site / "maml_tf/chatbot/web/page").iterdir()} == page
    (entry,) = site.glob("*.dist-info/entry_points.txt")
    assert "maml-tf = maml_tf.commands.command_line:main" in entry.read_text()


def test_the_command_lists_every_script_in_its_own_words(site):
    shown = run(site, "--help")
    assert shown.returncode == 0
    for name in COMMANDS:
        assert f"  {name} " in shown.stdout
    assert "Exports a meta-trained learner" in shown.stdout
    wrong = run(site, "exprot")
    assert wrong.returncode == 1 and "no command 'exprot'" in wrong.stderr


def test_every_script_of_a_user_is_a_command():
    scripts = {
        path.stem
        for path in (ROOT / "training").glob("*.py")
        if "    run_script(main)\n" in path.read_text(encoding="utf-8")
    }
    assert scripts == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_is_there_at_once_and_needs_no_tensorflow(site, name):
    shown = run(site, name, "--help")
    assert "flags:" in shown.stdout, shown.stderr[-2000:]
    loaded = shown.stdout.rpartition("loaded:")[2].split()
    assert not {"tensorflow", "keras", "training"} & set(loaded)


def test_scripts_import_each_other_relatively():
    """For in a wheel they are not called `training`."""
    scripts = [
        *(ROOT / "training" / f"{name}.py" for name in COMMANDS),
        *(ROOT / "training" / "common").glob("*.py"),
    ]
    for path in scripts:
        source = path.read_text(encoding="utf-8")
        assert "from training" not in source and "import training" not in source, path
