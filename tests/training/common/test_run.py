"""A run's folder: whose it is, what it keeps, what it refuses."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from training.common import files
from training.common.files import write_aside
from training.common.result_rows import ResultRows
from training.common.run import Run, RunError, beside_identity, check_folder, digest_of

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Settings:
    seed: int = 0
    shots: tuple[int, ...] = (1, 5)
    steps: int = beside_identity(10)


CONTENT = {"corpus": "c0ffee", "encoder": "1a2b"}


def test_the_digest_tells_settings_and_content_but_not_the_length():
    one = digest_of(Settings(), CONTENT)
    assert one == digest_of(Settings(steps=99), dict(reversed(CONTENT.items())))
    others = [
        digest_of(Settings(seed=1), CONTENT),
        digest_of(Settings(shots=(1,)), CONTENT),
        digest_of(Settings(), {**CONTENT, "encoder": "other"}),
        digest_of(Settings(), {}),
    ]
    assert len({one, *others}) == 5


def test_another_encoder_never_gets_the_first_ones_arrays(tmp_path):
    """The folder of one identity is not the folder of another."""

    def vectors(encoder, value):
        with Run.within(tmp_path, "lower", Settings(), {"encoder": encoder}) as run:
            return run.array("vectors", lambda: np.full(2, value))

    assert vectors("a", 1.0).tolist() == [1, 1]
    assert vectors("b", 2.0).tolist() == [2, 2]
    # Computed once: the value of the second call is never asked for.
    assert vectors("a", 3.0).tolist() == [1, 1]


def test_arrays_and_values_are_kept_and_mended(tmp_path):
    with Run(tmp_path / "run", Settings(), CONTENT) as run:
        first = run.arrays("pair", lambda: {"a": np.arange(2), "b": np.eye(2)})
        again = run.arrays("pair", lambda: pytest.fail("computed twice"))
        assert sorted(again) == ["a", "b"]
        np.testing.assert_array_equal(again["b"], first["b"])
        assert run.value("result", lambda: {"accuracy": 0.5}) == {"accuracy": 0.5}
        assert run.value("result", dict) == {"accuracy": 0.5}
        for name, suffix in (("pair", ".npz"), ("result", ".json")):
            path = run.path(name, suffix)
            path.write_bytes(path.read_bytes()[:9])
        assert run.arrays("pair", lambda: {"a": np.ones(1)})["a"].tolist() == [1]
        assert run.value("result", lambda: 7) == 7


def test_going_on_longer_is_the_same_run(tmp_path):
    with Run(tmp_path, Settings(steps=10), CONTENT):
        pass
    with Run(tmp_path, Settings(steps=20), CONTENT):
        config = json.loads((tmp_path / "config.json").read_text())
    assert (config["steps"], config["seed"], config["shots"]) == (20, 0, [1, 5])
    assert config["identity"]["content"] == CONTENT


@pytest.mark.parametrize(
    ("settings", "content", "message"),
    [
        (Settings(seed=1), CONTENT, "holds another run with other seed"),
        (Settings(shots=(5,)), CONTENT, "holds another run with other shots"),
        (Settings(), {**CONTENT, "corpus": "x"}, "The corpus changed since"),
        (Settings(), {}, "The corpus and the encoder changed since"),
    ],
)
def test_another_run_is_refused_and_the_first_stays(
    tmp_path, settings, content, message
):
    with Run(tmp_path, Settings(), CONTENT):
        pass
    before = (tmp_path / "config.json").read_text()
    with pytest.raises(RunError, match=message):
        Run(tmp_path, settings, content)
    assert (tmp_path / "config.json").read_text() == before


def test_another_version_is_refused(tmp_path, monkeypatch):
    with Run(tmp_path, Settings()):
        pass
    monkeypatch.setattr("training.common.run.package_version", lambda: "99")
    with pytest.raises(RunError, match=r"a run of maml-tf .*, and this is 99"):
        Run(tmp_path, Settings())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a', "truncated"),
        ("", "truncated"),
        ("[1]", "holds no settings of a run"),
        ("null", "holds no settings of a run"),
        ('{"seed": 0}', "earlier version"),
        ('{"seed": 0, "identity": 3}', "earlier version"),
        ('{"identity": {"content": [1]}}', "earlier version"),
        ("\udcff", "cannot be read"),
    ],
)
def test_a_broken_config_is_refused_in_a_sentence(tmp_path, text, message):
    path = tmp_path / "config.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunError, match=message) as refused:
        Run(tmp_path, Settings())
    assert str(path) in str(refused.value)
    assert path.read_bytes() == text.encode("utf-8", "surrogateescape")


def test_what_a_kill_left_before_the_config_does_not_matter(tmp_path):
    (tmp_path / "aside-config.json").touch()
    (tmp_path / "aside-77-config.json").write_text('{"se')
    (tmp_path / "lock").touch()
    with Run(tmp_path, Settings()):
        assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "lock"]


def test_folders_that_cannot_hold_a_run(tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/dev/null")):
        with pytest.raises(RunError, match="is a file"):
            Run(folder, Settings())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty and holds no run"):
        Run(tmp_path / "full", Settings())
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["letter.txt"]
    # Looking at a folder makes nothing.
    check_folder(tmp_path / "new", Settings())
    assert not (tmp_path / "new").exists()
    with pytest.raises(RunError, match="cannot be written in"):
        Run("/proc/new", Settings())


def test_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with Run("~/run", Settings()) as run:
        assert run.folder == tmp_path / "run" and run.folder.is_dir()


def test_one_process_at_a_time_and_free_after_a_kill(tmp_path):
    hold = (
        "import sys, time; from dataclasses import dataclass\n"
        "from training.common.run import Run\n"
        "@dataclass(frozen=True)\n"
        "class Settings: seed: int = 0\n"
        "run = Run(sys.argv[1], Settings()); print('held', flush=True)\n"
        "time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="in use by another process"):
            Run(tmp_path, Settings())
        with pytest.raises(RunError, match="in use by another process"):
            check_folder(tmp_path, Settings())
    finally:
        holder.kill()
        holder.wait()
    with pytest.raises(RunError, match="with other shots"):
        # No longer in use: what is wrong now is that the run is another.
        Run(tmp_path, Settings())


def test_a_full_disk_leaves_the_old_file_and_no_half_one(tmp_path, monkeypatch):
    path = tmp_path / "kept.json"
    path.write_text("old")

    def full(aside):
        aside.write_text("ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=r"No space left on device: '.*kept.json'"):
        write_aside(path, full)
    assert [p.name for p in tmp_path.iterdir()] == ["kept.json"]
    assert path.read_text() == "old"
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, {"accuracy": float("nan")})
    assert path.read_text() == "old"


def test_loading_runs_needs_no_tensorflow():
    code = (
        "import sys, training.common.run, training.common.result_rows\n"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == 0


def test_rows_count_only_for_the_run_that_made_them(tmp_path):
    path = tmp_path / "rows.json"
    rows = ResultRows(path)
    rows.keep("a", [{"name": "MAML", "error": 0.5}])
    rows.keep("b", [{"name": "MAML", "error": 0.7}])
    rows.keep("a", [{"name": "MAML", "error": 0.4}])
    again = ResultRows(path)
    assert again.of("a") == [{"name": "MAML", "error": 0.4}]
    assert again.of("b") == [{"name": "MAML", "error": 0.7}]
    assert again.of("c") == []
    assert os.listdir(tmp_path) == ["rows.json"]
