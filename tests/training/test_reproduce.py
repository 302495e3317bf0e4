"""The papers' tables: rows that resume, reports that keep what they had."""

import json
from dataclasses import replace

import keras
import pytest
from script_runs import run

from maml_tf import MAML
from training.research.papers import sinusoid, task_mixture
from training.research.papers.row_names import UnknownRowError, named_rows
from training.research.papers.rows import choices_digest, run_row


def row(meta_steps=2, *, seed=0, episodes=4):
    """A row of the sinusoid table in graph mode, which starts at once."""
    found = sinusoid.rows("", seed, meta_steps, episodes)[0]

    def make():
        learner = found.make()
        learner.compile(learner.optimizer, loss=sinusoid.LOSS, jit_compile=False)
        return learner

    return replace(found, make=make)


def test_a_row_of_other_settings_is_not_the_one_that_was_kept(tmp_path):
    first, kept = run_row(row(), tmp_path / "same", episodes=4)
    for change in ({"seed": 5, "episodes": 6}, {"meta_steps": 3}):
        asked = {"seed": change.get("seed", 0), "episodes": change.get("episodes", 4)}
        digest, found = run_row(row(**change), tmp_path / "same", **asked)
        _, fresh = run_row(row(**change), tmp_path / "fresh", **asked)
        assert digest != first
        figures = [each["figures"]["after 5 steps"] for each in (found, fresh, kept)]
        assert figures[0] == pytest.approx(figures[1], rel=1e-5)
        assert figures[0] != pytest.approx(figures[2], rel=1e-4)
        assert (found["seed"], found["episodes"]) == (asked["seed"], asked["episodes"])


def test_a_finished_row_is_read_back(tmp_path):
    def refuse(learner):
        raise AssertionError("evaluated again")

    once = run_row(row(), tmp_path, episodes=4)
    again = replace(row(), evaluate=refuse)
    assert run_row(again, tmp_path, episodes=4) == once


def test_what_a_learner_is_compiled_and_made_with_is_part_of_the_digest():
    def digest(rate=1e-3, **options):
        keras.utils.clear_session()
        learner = MAML(keras.Sequential([keras.layers.Dense(1)]), **options)
        learner.compile(keras.optimizers.Adam(rate), loss="mse")
        return choices_digest(learner)

    assert digest() == digest()
    assert len({digest(), digest(2e-3), digest(inner_learning_rate=0.5)}) == 3


def test_rows_of_another_run_stay_in_the_report(tmp_path):
    options = (
        "--table=sinusoid",
        "--meta_steps=1",
        f"--work_dir={tmp_path / 'work'}",
        f"--output_dir={tmp_path}",
    )
    names = ["MAML, 1 step, 5-shot", "pretrained on all tasks, 5-shot"]
    for name, episodes in ((names[1], 2), (names[0], 3)):
        more = (f"--rows={name}", f"--episodes={episodes}")
        done = run("reproduce", *options, *more)
        assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads((tmp_path / "reproduce_sinusoid.json").read_text())
    assert {row["name"]: row["episodes"] for row in rows} == {names[1]: 2, names[0]: 3}
    table = (tmp_path / "reproduce_sinusoid.md").read_text()
    places = [table.index(name) for name in names]
    assert places == sorted(places)
    assert "| 3 | 0 |" in table and "| 2 | 0 |" in table
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
