"""The examples run as printed, and what they teach is learned."""

import runpy

import pytest
from script_runs import ROOT

FOLDER = ROOT / "examples"


def main_of(name: str):
    return runpy.run_path(str(FOLDER / f"{name}.py"))["main"]


def test_all_examples_are_tried():
    names = {path.stem for path in FOLDER.glob("*.py")}
    assert names == {
        *("own_data", "own_learner", "own_base_learner"),
        *("bot_that_learns", "serve_bots"),
    }


def test_own_data(capsys):
    main_of("own_data")("scratch:num_layers=1,hidden_dim=16", steps=5)
    assert "intents that training never saw" in capsys.readouterr().out


def test_own_learner():
    found = main_of("own_learner")()
    assert found["own learner"] > 0.9
    assert found["own update rule"] > 0.9


def test_own_base_learner():
    found = main_of("own_base_learner")(steps=100)
    assert found["after"] < found["before"] / 3
    assert found == pytest.approx(found, nan_ok=False)


def test_bot_that_learns(capsys):
    found = main_of("bot_that_learns")()
    assert list(found.values()) == ["refund", "track"]
    assert "2 intents in a copy of it" in capsys.readouterr().out


def test_serve_bots(capsys):
    found = main_of("serve_bots")("scratch:num_layers=1,hidden_dim=16")
    assert found.keys() == {"shop", "home"}
    assert f"version 2 says {found['shop']}" in capsys.readouterr().out
