"""The papers' tables: rows that resume, reports that keep what they had."""

import json
from dataclasses import replace

import pytest
from script_runs import run

from training.research.papers import sinusoid, task_mixture
from training.research.papers.rows import run_row


def row(meta_steps):
    """A row of the sinusoid table in graph mode, which starts at once."""
    found = sinusoid.rows("", 0, 4, 4)[0]

    def make():
        learner = found.make()
        learner.compile(learner.optimizer, loss=sinusoid.LOSS, jit_compile=False)
        return learner

    return replace(found, make=make, meta_steps=meta_steps)


def test_a_row_that_was_cut_goes_on_to_the_same_figures(tmp_path):
    whole = run_row(row(4), tmp_path / "whole")
    run_row(row(2), tmp_path / "cut")
    # What a kill after two meta-steps leaves: the checkpoint, and no result.
    half, rest = (tmp_path / "cut" / f"{row(2).name}-{n}" for n in (2, 4))
    half.rename(rest)
    (rest / "result.json").unlink()
    resumed = run_row(row(4), tmp_path / "cut")
    after = "after 5 steps"
    assert resumed["figures"][after] == pytest.approx(whole["figures"][after], rel=1e-5)
    assert run_row(row(4), tmp_path / "cut") == json.loads(json.dumps(resumed))


def test_rows_of_another_run_stay_in_the_report(tmp_path):
    options = (
        "--table=sinusoid",
        "--meta_steps=1",
        "--episodes=2",
        f"--work_dir={tmp_path / 'work'}",
        f"--output_dir={tmp_path}",
    )
    names = ["MAML, 1 step, 5-shot", "pretrained on all tasks, 5-shot"]
    for name in reversed(names):
        done = run("reproduce", *options, f'--rows="{name}"')
        assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads((tmp_path / "reproduce_sinusoid.json").read_text())
    assert [row["name"] for row in report["rows"]] == names
    table = (tmp_path / "reproduce_sinusoid.md").read_text()
    assert all(name in table for name in names)
    assert (tmp_path / "reproduce_sinusoid.png").stat().st_size > 0


def test_an_unknown_row_is_named_before_any_work(tmp_path):
    done = run("reproduce", "--table=sinusoid", "--rows=MAML", f"--work_dir={tmp_path}")
    assert done.returncode != 0
    assert "--rows names MAML" in done.stderr + done.stdout
    assert not list(tmp_path.iterdir())


def test_the_mixture_is_drawn_though_a_kind_is_missing(tmp_path):
    shares = {"line": [[0.2, 0.8], [0.4, 0.6]], "quadratic": [], "sinusoid": [[1, 0]]}
    rows = [{"figures": {}}, {"figures": {"similarities by kind": shares}}]
    task_mixture.draw(rows, tmp_path / "mixture.png")
    assert (tmp_path / "mixture.png").stat().st_size > 0
