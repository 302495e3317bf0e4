"""Adapt, generate and score as signatures of an export, and what they refuse."""

import numpy as np
import pytest
import tensorflow as tf
from serving.small_exports import language_client

from maml_tf.serving.language_model import specs_of

DIALOGUES = [["hi", "aaaa", "who", "aa"], ["you?", "aaaa", "", ""]]
SETTINGS = {
    "temperature": 0.0,
    "top_k": 0,
    "top_p": 1.0,
    "seed": 3,
    "max_new_tokens": 5,
    "stops": ["\x00"],
}


def ask(name, **inputs):
    kinds = specs_of(name)
    given = {key: tf.constant(value, kinds[key].dtype) for key, value in inputs.items()}
    return language_client().transport.signatures[name](**given)


@pytest.fixture(scope="module")
def state():
    return ask("adapt", dialogues=DIALOGUES)["state"]


def test_what_was_learned_is_likelier(state):
    asked = {"turns": ["you?"], "replies": ["aaaa", "hello"]}
    after = ask("score", state=state, **asked)["log_likelihoods"].numpy()
    before = ask("score", state=[], **asked)["log_likelihoods"].numpy()
    zeros = ask("score", state=[0.0] * 20, **asked)["log_likelihoods"].numpy()
    np.testing.assert_allclose(before, zeros)
    assert after[0] > before[0] + 1
    assert after[0] - before[0] > after[1] - before[1]


REFUSED = [
    ("adapt", {"dialogues": [["hi", ""]]}, "turns of both sides"),
    ("adapt", {"dialogues": [["hi", "", "a", "b"]]}, "an empty turn before others"),
    ("adapt", {"dialogues": [["hi", "x" * 130]]}, "136 tokens; at most 128"),
    ("generate", {"turns": ["a", "b"]}, "2, an even number"),
    ("generate", {"turns": [" "]}, "turns holds an empty string"),
    ("generate", {"turns": ["a" * 130]}, "at most 128 are read"),
    ("generate", {"turns": ["a"], "top_p": 2.0}, "top_p must be between 0 and 1"),
    ("generate", {"turns": ["a"], "temperature": -1.0}, "temperature must be 0"),
    ("generate", {"turns": ["a"], "max_new_tokens": 0}, "must be 1 or more"),
    ("generate", {"turns": ["a"], "state": [1.0, 2.0]}, "none that adapt returned"),
    ("score", {"turns": ["a"], "replies": []}, "replies holds no text"),
]


@pytest.mark.parametrize("name, inputs, said", REFUSED)
def test_refusals(state, name, inputs, said):
    given = dict(inputs)
    if name != "adapt" and "state" not in given:
        given["state"] = state
    if name == "generate":
        given = {**SETTINGS, **given}
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        ask(name, **given)
