"""The papers' tables: rows that resume, reports that keep what they had."""

import json
from dataclasses import replace

import pytest
from script_runs import run

from training.research.papers import sinusoid, task_mixture
from training.research.papers.row_names import UnknownRowError, named_rows
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
        done = run("reproduce", *options, f"--rows={name}")
        assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads((tmp_path / "reproduce_sinusoid.json").read_text())
    assert [row["name"] for row in report["rows"]] == names
    table = (tmp_path / "reproduce_sinusoid.md").read_text()
    assert all(name in table for name in names)
    assert (tmp_path / "reproduce_sinusoid.png").stat().st_size > 0


NAMES = ["MAML, 1 step, 5-shot", "ANIL, 5-shot", "ANIL", "ANIL, 5-shot, twice"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["ANIL, 5-shot"], NAMES[1:2]),
        (["ANIL"], NAMES[2:3]),
        (["ANIL, 5-shot,MAML, 1 step, 5-shot"], NAMES[:2]),
        (["ANIL,ANIL, 5-shot, twice", "MAML, 1 step, 5-shot"], [NAMES[0], *NAMES[2:]]),
        (['"ANIL, 5-shot","ANIL"'], NAMES[1:3]),
        (["MAML,1 step,5-shot"], NAMES[:1]),
    ],
)
def test_rows_whose_names_hold_commas(given, found):
    assert named_rows(given, NAMES) == found


def test_what_names_no_row_is_said():
    with pytest.raises(UnknownRowError, match="no row is called 'Reptile, 5-shot'"):
        named_rows(["ANIL, 5-shot,Reptile, 5-shot"], NAMES)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--table=sinusoid", "--rows=MAML"), "no row is called 'MAML'"),
        (("--table=task_mixture", "--episodes=2"), "needs --episodes=4 or more"),
    ],
)
def test_flags_that_do_not_fit_are_refused_before_any_work(tmp_path, flags, message):
    done = run("reproduce", *flags, f"--work_dir={tmp_path / 'work'}")
    assert done.returncode != 0
    assert message in done.stderr + done.stdout
    assert not list(tmp_path.iterdir())


def test_the_mixture_is_drawn_though_a_kind_is_missing(tmp_path):
    shares = {"line": [[0.2, 0.8], [0.4, 0.6]], "quadratic": [], "sinusoid": [[1, 0]]}
    rows = [{"figures": {}}, {"figures": {"similarities by kind": shares}}]
    task_mixture.draw(rows, tmp_path / "mixture.png")
    assert (tmp_path / "mixture.png").stat().st_size > 0
