"""Every learner has one entry, which can be read without TensorFlow."""

import subprocess
import sys
from itertools import product
from pathlib import Path

import keras
import pytest

from maml_tf.base_learners import BaseLearnerError
from maml_tf.base_learners.contracts import check_base_learner
from maml_tf.inner_loop.fast_weights import NAMED
from maml_tf.inner_loop.meta_gradients import META_GRADIENTS as REAL_META_GRADIENTS
from maml_tf.learners import MetaLearner, inner_options
from maml_tf.learners.registry import (
    get_learner,
    registered_learners,
    table_of_learners,
)

ENTRIES = registered_learners()
DOCS = Path(__file__).resolve().parents[2] / "docs" / "learners.md"


def test_listing_learners_loads_no_tensorflow():
    code = (
        "import sys; from maml_tf.learners.registry import registered_learners as all;"
        "print(len(all()), sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.split(" ", 1) == [str(len(ENTRIES)), "[]\n"], run.stderr


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_names_a_learner(name):
    entry = get_learner(name)
    assert issubclass(entry.load(), MetaLearner)
    assert entry.load().__module__ == entry.module
    assert set(entry.takes) | set(entry.refuses) <= set(inner_options.INNER_OPTIONS)
    assert entry.base_learner in ("classifier", "encoder")
    assert entry.summary and entry.paper


def test_the_docs_show_the_table():
    assert table_of_learners() in DOCS.read_text(encoding="utf-8")


def test_the_words_for_inner_loops_are_those_that_there_are():
    assert tuple(REAL_META_GRADIENTS) == inner_options.META_GRADIENTS
    assert tuple(NAMED) == inner_options.FAST_WEIGHTS
    for name in (*inner_options.UPDATE_RULES, "learned_optimizer"):
        assert inner_options.make_update_rule(name, 0.1, inner_steps=2)


def test_names_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="no learner 'mamll'; there are maml,"):
        get_learner("mamll")
    with pytest.raises(ValueError, match="'sgd' is not known; give one of gradient"):
        inner_options.make_update_rule("sgd", 0.1)


@pytest.mark.parametrize(
    ("learner", "given", "sentence"),
    [
        ("prototypical", {"inner_steps": 1}, "which has no inner loop"),
        ("maml", {"inner_batch_size": 2}, "choose --learner=reptile"),
        ("meta_sgd", {"update_rule": "adam"}, "has its own"),
        ("reptile", {"meta_gradient": "exact"}, "has its own"),
        ("reptile", {"update_rule": "learned_rates"}, "that could teach rates"),
        ("maml_plus_plus", {"meta_gradient": "implicit"}, "no gradient that way"),
        ("maml_plus_plus", {"inner_steps": 0}, "needs --inner_steps of 1 or more"),
        ("proto_maml", {"fast_weights": "lora"}, "among the fast weights"),
        (
            "maml",
            {"meta_gradient": "implicit", "update_rule": "meta_sgd"},
            "no gradient from --meta_gradient=implicit",
        ),
    ],
)
def test_options_without_meaning_are_refused(learner, given, sentence):
    refusal = get_learner(learner).refusal(given, prefix="--")
    assert refusal is not None and sentence in refusal
    with pytest.raises(ValueError):
        get_learner(learner).build(None, **given)


def test_what_is_not_refused_can_be_built():
    base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    built = 0
    for entry, rule, gradient in product(
        ENTRIES.values(),
        (None, *inner_options.UPDATE_RULES),
        (None, *inner_options.META_GRADIENTS),
    ):
        options = {"update_rule": rule, "meta_gradient": gradient}
        if entry.refusal(options) is None:
            assert isinstance(entry.build(base, **options), entry.load())
            built += 1
    assert built > 60


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("bert", r"the string 'bert'; make one of a preset with .*create_model"),
        (keras.Sequential, "the class Sequential"),
        (lambda inputs: inputs, "an object of type function"),
    ],
)
def test_what_is_no_base_learner_is_refused(given, sentence):
    with pytest.raises(BaseLearnerError, match=sentence):
        check_base_learner(given)


def test_a_tf_keras_model_is_told_how_to_become_one():
    tf_keras = pytest.importorskip("tf_keras")
    with pytest.raises(BaseLearnerError, match="from_tf_keras"):
        check_base_learner(tf_keras.Sequential())
