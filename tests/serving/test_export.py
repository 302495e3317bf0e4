"""The export learns from raw strings in a process that knows none of our code."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from maml_tf import MAML, PrototypicalNetwork, create_model, create_text_encoder
from maml_tf.learners import MetaLearner
from maml_tf.serving import export_learner

SUPPORT = ["turn on the lamp", "lights on please", "play a song", "some music now"]
LABELS = ["light", "light", "music", "music"]
QUERIES = ["lamp on", "play music", "a song please with the lamp turned off for once"]
SIZES = {"num_layers": 1, "hidden_dim": 16, "num_heads": 2, "sequence_length": 32}

STRANGER = """
import glob, importlib.util, json, os, sys
for name in ("keras", "tf_keras", "keras_nlp", "keras_hub", "maml_tf"):
    sys.modules[name] = None
import tensorflow as tf
# The text operations alone: the package around them would import keras.
folder = os.path.dirname(importlib.util.find_spec("tensorflow_text").origin)
for library in glob.glob(folder + "/python/ops/*.so"):
    tf.load_op_library(library)
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
out = serve(**{k: tf.constant(v) for k, v in json.loads(sys.argv[2]).items()})
print(json.dumps({"intents": [i.decode() for i in out["intents"].numpy().tolist()],
                  "probabilities": out["probabilities"].numpy().tolist()}))
"""


def learners() -> dict[str, MetaLearner]:
    return {
        "prototypical": PrototypicalNetwork(create_text_encoder(**SIZES), scale=0.1),
        "maml": MAML(create_model(num_classes=4, **SIZES), inner_learning_rate=0.1),
    }


@pytest.mark.parametrize("kind", ["prototypical", "maml"])
def test_export_adapts_in_a_stranger_process(tmp_path, kind):
    learner = learners()[kind]
    version = export_learner(learner, tmp_path / "bot")
    assert version.name == "1"
    request = {
        "support_texts": SUPPORT,
        "support_labels": LABELS,
        "query_texts": QUERIES,
    }
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, str(version), json.dumps(request)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    tokens = learner.base_learner.preprocessor
    x = {
        "support_inputs": {k: v[None] for k, v in tokens(SUPPORT).items()},
        "support_targets": tf.constant([[0, 0, 1, 1]]),
        "query_inputs": {k: v[None] for k, v in tokens(QUERIES).items()},
    }
    expected = tf.nn.softmax(learner(x)[0, :, :2]).numpy()
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5)
    names = np.array(["light", "music"])
    assert answer["intents"] == names[expected.argmax(-1)].tolist()


def test_versions_count_up_and_bad_requests_are_answered(tmp_path):
    learner = learners()["maml"]
    export_learner(learner, tmp_path)
    version = export_learner(learner, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1", "2"]
    serve = tf.saved_model.load(str(version)).signatures["serving_default"]

    def ask(support, labels, queries):
        return serve(
            support_texts=tf.constant(support, tf.string),
            support_labels=tf.constant(labels, tf.string),
            query_texts=tf.constant(queries, tf.string),
        )

    assert ask(SUPPORT, LABELS, QUERIES)["probabilities"].shape == (3, 2)
    for request, message in [
        ((SUPPORT, LABELS[:3], QUERIES), "as many as texts"),
        ((SUPPORT, ["a"] * 4, QUERIES), "two intents or more"),
        ((SUPPORT, LABELS, []), "no query text"),
        (([], [], QUERIES), "two intents or more"),
        ((list("abcde"), list("abcde"), QUERIES), "at most 4 intents"),
    ]:
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            ask(*request)
