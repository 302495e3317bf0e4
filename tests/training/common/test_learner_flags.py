"""Every combination of a learner's flags: taken, or refused in one sentence."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from maml_tf.learners.inner_options import FAST_WEIGHTS, META_GRADIENTS, UPDATE_RULES
from maml_tf.learners.registry import get_learner, registered_learners

ROOT = Path(__file__).resolve().parents[3]
# Reads command lines from its input, as training.train does before it loads anything.
CHECK = """
import json, sys
from absl import app
from training import train
train.FLAGS.mark_as_parsed()
said, learners = [], []
for flags in json.load(sys.stdin):
    train.FLAGS.unparse_flags()
    try:
        train.FLAGS(["train", "--output_dir=x", *flags])
        train.check_flags()
        train.settings_of_flags()
        said.append(None)
    except (app.UsageError, app.flags.Error) as error:
        said.append(str(error))
    learners.append(train.FLAGS["learner"].value)
loaded = "tensorflow" in sys.modules
json.dump({"said": said, "learners": learners, "loaded": loaded}, sys.stdout)
"""


def check(lines):
    """What is said of each command line, None of one that is taken."""
    return outcome(lines)["said"]


def outcome(lines):
    done = subprocess.run(
        [sys.executable, "-c", CHECK],
        cwd=ROOT,
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert not found["loaded"], "flags are checked before TensorFlow is loaded"
    return found


@pytest.fixture(scope="module")
def combinations():
    """Each combination with what is said of it."""
    choices = itertools.product(
        [*registered_learners(), "projection"],
        [None, *UPDATE_RULES],
        [None, *META_GRADIENTS],
        [None, *FAST_WEIGHTS],
    )
    kept, lines = [], []
    for learner, rule, gradient, fast in choices:
        chosen = {"update_rule": rule, "meta_gradient": gradient, "fast_weights": fast}
        chosen = {name: value for name, value in chosen.items() if value is not None}
        kept.append((learner, chosen))
        lines.append(
            [f"--learner={learner}", *(f"--{n}={v}" for n, v in chosen.items())]
        )
    return [(*one, said) for one, said in zip(kept, check(lines), strict=True)]


def test_refusals_are_one_sentence_that_names_a_flag(combinations):
    refused = [said for *_, said in combinations if said]
    assert 500 < len(refused) < len(combinations)
    for said in refused:
        assert said.startswith("--") and said.endswith(".") and "\n" not in said


def test_what_has_no_inner_loop_takes_none_of_its_options(combinations):
    for learner, chosen, said in combinations:
        if learner in ("prototypical", "matching", "projection") and chosen:
            assert "has no meaning" in said


def test_whatever_is_taken_can_be_built(combinations):
    base = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    taken = [
        (learner, chosen)
        for learner, chosen, said in combinations
        if not said and learner != "projection"
    ]
    assert {learner for learner, _ in taken} == set(registered_learners())
    for learner, chosen in taken:
        # There are no embeddings and no factors in a perceptron.
        options = {k: v for k, v in chosen.items() if v not in ("lora", "head")}
        assert get_learner(learner).build(base, **options).base_learner is base


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--fast_weights=lora --learner=maml", "give --lora_rank=8"),
        ("--learner=maml_plus_plus --meta_gradient=implicit", "does not go with"),
        ("--learner=maml --update_rule=meta_sgd --meta_gradient=implicit", "implicit"),
        ("--learner=projection --patience=3", "--patience has no meaning"),
        ("--learner=upper_layers --averaging=0.5", "--averaging has no meaning"),
        ("--learner=upper_layers --inner_steps=3", "--inner_steps has no meaning"),
        ("--learner=projection --lora_rank=3", "--lora_rank has no meaning"),
        ("--learner=unheard_of", "unheard_of"),
        ("--inner_steps=3", "no inner loop"),
        ("--learner=reptile --inner_steps=0", "needs --inner_steps"),
        ("--learner=maml --inner_batch_size=2", "whole support set"),
        ("--meta_learning_rate=-1", "must be positive"),
        ("--meta_learning_rate=nan", "must be a finite number"),
        ("--meta_learning_rate=inf", "must be a finite number"),
        ("--learner=maml --inner_learning_rate=nan", "must be a finite number"),
        ("--seed=-1", "[0, 4294967295]"),
        ("--seed=4294967296", "[0, 4294967295]"),
        ("--split_seed=-1", "[0, 4294967295]"),
        ("--ways=1", "ways"),
        ("--tasks_per_batch=99999999999999999999", "tasks_per_batch"),
        ("--sequence_length=99999999999999999999", "sequence_length"),
        ("--steps=99999999999999999999", "steps"),
        ("--patience=0", "patience"),
        ("--averaging=1", "must be a number from 0 up to, and without, 1"),
        ("--averaging=nan", "must be a number from 0 up to, and without, 1"),
        ("--output_dir=", "must not be empty"),
    ],
)
def test_flags_that_do_not_fit(flags, message):
    (said,) = check([flags.split()])
    assert said is not None and message in said


def test_flags_that_fit_and_the_learner_that_they_leave_open():
    trained = {
        "": "upper_layers",
        "--meta_learning_rate=1e-4 --steps=20": "upper_layers",
        "--base_learner=scratch:num_layers=1": "prototypical",
        "--averaging=0.9": "prototypical",
        "--lora_rank=2": "prototypical",
        "--patience=2 --seed=4294967295": "prototypical",
        "--learner=maml --fast_weights=lora --lora_rank=2": "maml",
        "--learner=projection --steps=7 --meta_learning_rate=0.1": "projection",
        "--learner=upper_layers": "upper_layers",
        "--learner=anil": "anil",
    }
    found = outcome([flags.split() for flags in trained])
    assert found["said"] == [None] * len(trained)
    assert found["learners"] == list(trained.values())
