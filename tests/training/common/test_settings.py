"""What a script takes over from the run that it is given."""

import json

import pytest

from training.common.run import RunError
from training.common.settings import (
    FLAGS,
    TASK_FLAGS,
    adopt_settings_of_run,
    split_seed,
    task_settings,
)

RUN = {
    "corpus": "jsonl:mine.jsonl",
    "text_column": None,
    "label_column": "topic",
    "class_split": "random:0.5,0.25,0.25",
    "split_seed": 3,
    "ways": 4,
    "shots": 2,
    "queries": 6,
    "seed": 3,
    "identity": {"digest": "1a", "content": {}},
}


@pytest.fixture
def command_line():
    """Reads flags as a script does, and forgets them afterwards."""

    def read(*flags):
        FLAGS.unparse_flags()
        known = [f for f in flags if f.partition("=")[0].lstrip("-") in TASK_FLAGS]
        FLAGS(["script", *known])

    FLAGS.mark_as_parsed()
    before = {name: FLAGS[name].value for name in TASK_FLAGS}
    yield read
    for name, value in before.items():
        FLAGS[name].value, FLAGS[name].present = value, 0
    FLAGS.mark_as_parsed()


def folder_of(tmp_path, **changes):
    config = {k: v for k, v in {**RUN, **changes}.items() if v != "missing"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def test_the_split_has_a_seed_of_its_own(command_line):
    command_line("--seed=5")
    assert split_seed() == 5 and task_settings()["split_seed"] == 5
    command_line("--seed=5", "--split_seed=0")
    assert split_seed() == 0 and task_settings()["seed"] == 5


def test_everything_that_is_not_given_is_the_runs(tmp_path, command_line):
    command_line()
    adopt_settings_of_run(folder_of(tmp_path))
    assert task_settings() == {name: RUN[name] for name in TASK_FLAGS}


def test_another_seed_draws_from_the_same_classes(tmp_path, command_line):
    command_line("--seed=9", "--shots=1")
    adopt_settings_of_run(folder_of(tmp_path))
    changed = {"seed": 9, "shots": 1}
    assert task_settings() == {name: RUN[name] for name in TASK_FLAGS} | changed


def test_another_corpus_is_divided_by_the_command_lines_own_seed(
    tmp_path, command_line
):
    command_line("--corpus=csv:other.csv", "--seed=9")
    adopt_settings_of_run(folder_of(tmp_path))
    found = task_settings()
    assert (found["corpus"], found["split_seed"]) == ("csv:other.csv", 9)
    assert (found["class_split"], found["label_column"]) == ("random", None)
    assert (found["ways"], found["queries"]) == (4, 6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ways": "missing"}, "does not tell the run's ways"),
        ({"ways": None}, "has no value for ways"),
        ({"ways": "many"}, "many"),
        ({"ways": 1}, "ways"),
        ({"seed": -1}, "seed"),
        ({"identity": "missing"}, "earlier version"),
    ],
)
def test_a_config_that_was_changed_by_hand(tmp_path, command_line, changes, message):
    command_line()
    with pytest.raises(RunError, match=message) as refused:
        adopt_settings_of_run(folder_of(tmp_path, **changes))
    assert "config.json" in str(refused.value)


def test_a_folder_without_a_run(tmp_path, command_line):
    command_line()
    with pytest.raises(RunError, match="has no config"):
        adopt_settings_of_run(tmp_path)
