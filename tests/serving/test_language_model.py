"""Adapt, generate and score: strings in and out, in Python and in a SavedModel."""

import keras
import keras_nlp
import numpy as np
import pytest
import tensorflow as tf

from maml_tf import MAML
from maml_tf.base_learners.chat_template import ChatTemplate
from maml_tf.serving.language_model import INPUTS, ServedLanguageModel, specs_of

DIALOGUES = [["hi", "ahoy", "who", "a cat"], ["you?", "ahoy", "", ""]]
SETTINGS = {
    "temperature": 0.0,
    "top_k": 0,
    "top_p": 1.0,
    "seed": 3,
    "max_new_tokens": 5,
    "stops": ["\x00"],
}


class ByteModel(keras.Model):
    """Log-likelihoods of bytes, by a tiny Llama."""

    def __init__(self):
        super().__init__()
        self.backbone = keras_nlp.models.LlamaBackbone(259, 2, 2, 16, 24, 1)
        rng = np.random.default_rng(0)
        shapes = [weight.shape for weight in self.backbone.get_weights()]
        self.backbone.set_weights([rng.normal(0, 0.3, shape) for shape in shapes])
        self.tokenizer = keras_nlp.tokenizers.ByteTokenizer(
            lowercase=False, errors="ignore"
        )
        self.chat_template = ChatTemplate((), (256,), (257,), (258,))

    def call(self, inputs):
        hidden = self.backbone(inputs)
        logits = self.backbone.token_embedding(hidden, reverse=True)[:, :-1]
        likely = tf.nn.log_softmax(logits)
        told = tf.gather(likely, inputs["token_ids"][:, 1:], batch_dims=2)
        told = tf.pad(told, [[0, 0], [1, 0]])
        if "places" in inputs:
            return tf.gather(told, inputs["places"], batch_dims=1)
        return told


def mean_surprise(own, likely):
    return -tf.reduce_sum(own * likely, -1) / tf.reduce_sum(own, -1)


@pytest.fixture(scope="module")
def served():
    learner = MAML(
        ByteModel(),
        inner_loss=mean_surprise,
        inner_steps=20,
        inner_learning_rate=0.5,
        fast_weights=lambda path: "transformer_layer_1" in path,
    )
    ids = tf.ones((1, 2, 8), tf.int32)
    inputs = {"token_ids": ids, "padding_mask": ids}
    learner(
        {
            "support_inputs": inputs,
            "support_targets": tf.ones((1, 2, 8)),
            "query_inputs": inputs,
        }
    )
    return ServedLanguageModel(learner, max_tokens=64)


@pytest.fixture(scope="module")
def saved(served, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    archive = keras.export.ExportArchive()
    archive.track(served.learner.base_learner)
    for name in INPUTS:
        archive.add_endpoint(
            name, getattr(served, name), input_signature=[*specs_of(name).values()]
        )
    archive.write_out(str(folder), verbose=False)
    return tf.saved_model.load(str(folder)).signatures


def ask(signatures, name, **inputs):
    kinds = specs_of(name)
    given = {key: tf.constant(value, kinds[key].dtype) for key, value in inputs.items()}
    return signatures[name](**given)


@pytest.fixture(scope="module")
def state(saved):
    return ask(saved, "adapt", dialogues=DIALOGUES)["state"]


def test_what_was_learned_is_likelier(served, saved, state):
    np.testing.assert_allclose(
        served.adapt(tf.constant(DIALOGUES))["state"], state, atol=1e-4
    )
    asked = {"turns": ["you?"], "replies": ["ahoy", "hello"]}
    after = ask(saved, "score", state=state, **asked)["log_likelihoods"].numpy()
    start = [t[tf.newaxis] for t in served.learner.inner_loop.initial()]
    names = sorted(served.layout.specs)
    untaught = served.layout.pack(
        dict(zip(names, start, strict=True)), tf.zeros([0], tf.string)
    )
    before = ask(saved, "score", state=untaught, **asked)["log_likelihoods"].numpy()
    assert after[0] > before[0] + 1
    assert after[0] - before[0] > after[1] - before[1]


def test_the_score_is_the_sum_over_the_reply(served, saved, state):
    found = ask(saved, "score", state=state, turns=["hi"], replies=["no", "a long one"])
    functional = served.learner.inner_loop.functional
    fast = [w[0] for _, w in sorted(served.layout.unpack(state).items())]
    ids = tf.constant([[256, *b"hi", 258, 257, *b"no", 258]])
    likely = functional.run(
        lambda given, training: served.learner.base_learner(given),
        fast,
        functional.constants(),
        {"token_ids": ids, "padding_mask": tf.ones_like(ids)},
    ).outputs
    expected = tf.reduce_sum(likely[0, -3:])
    np.testing.assert_allclose(found["log_likelihoods"][0], expected, atol=1e-3)


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_python_and_saved_model_tell_the_same(served, saved, state, temperature):
    settings = {**SETTINGS, "temperature": temperature}
    text = ask(saved, "generate", state=state, turns=["you?"], **settings)["texts"]
    here = served.generate(state, ["you?"], **settings)["texts"]
    assert text.numpy().tolist() == here.numpy().tolist()
    assert text.shape == (1,)


REFUSED = [
    ("adapt", {"dialogues": [["hi", ""]]}, "turns of both sides"),
    ("adapt", {"dialogues": [["hi", "", "a", "b"]]}, "an empty turn before others"),
    ("adapt", {"dialogues": [["hi", "x" * 100]]}, "106 tokens; at most 64"),
    ("generate", {"turns": ["a", "b"]}, "2, an even number"),
    ("generate", {"turns": [" "]}, "turns holds an empty string"),
    ("generate", {"turns": ["a" * 70]}, "at most 64 are read"),
    ("generate", {"turns": ["a"], "top_p": 2.0}, "top_p must be between 0 and 1"),
    ("generate", {"turns": ["a"], "temperature": -1.0}, "temperature must be 0"),
    ("generate", {"turns": ["a"], "max_new_tokens": 0}, "must be 1 or more"),
    ("generate", {"turns": ["a"], "state": [1.0, 2.0]}, "none that adapt returned"),
    ("score", {"turns": ["a"], "replies": []}, "replies holds no text"),
]


@pytest.mark.parametrize("name, inputs, said", REFUSED)
def test_refusals(saved, state, name, inputs, said):
    given = dict(inputs)
    if name != "adapt" and "state" not in given:
        given["state"] = state
    if name == "generate":
        given = {**SETTINGS, **given}
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        ask(saved, name, **given)
