"""The export learns from raw strings in a process that knows none of our code."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from serving.small_exports import LABELS, QUERIES, SUPPORT, exports, make_prototypical
from tensorflow.core.protobuf import saved_model_pb2

from maml_tf.serving import Limits, export_learner, load_signatures
from maml_tf.serving.server_configs import write_server_configs

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


def expected_probabilities(learner):
    tokens = learner.base_learner.preprocessor
    x = {
        "support_inputs": {k: v[None] for k, v in tokens(SUPPORT).items()},
        "support_targets": tf.constant([[0, 0, 1, 1]]),
        "query_inputs": {k: v[None] for k, v in tokens(QUERIES).items()},
    }
    return tf.nn.softmax(learner(x)[0, :, :2]).numpy()


@pytest.mark.parametrize("kind", ["prototypical", "maml"])
def test_export_adapts_in_a_stranger_process(tmp_path, kind):
    learner, version = exports(kind)
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
    expected = expected_probabilities(learner)
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5)
    names = np.array(["light", "music"])
    assert answer["intents"] == names[expected.argmax(-1)].tolist()


@pytest.mark.parametrize("kind", ["prototypical", "maml"])
def test_each_weight_is_stored_once(kind):
    learner, version = exports(kind)
    stored = tf.train.list_variables(str(version / "variables" / "variables"))
    counts = [np.prod(shape, dtype=int) for name, shape in stored if "VALUE" in name]
    assert 0 < sum(counts) <= sum(int(v.numpy().size) for v in learner.variables)


def test_nothing_in_the_export_asks_for_xla():
    content = (exports("maml").folder / "saved_model.pb").read_bytes()
    saved = saved_model_pb2.SavedModel.FromString(content)
    library = saved.meta_graphs[0].graph_def.library
    assert len(library.function) > 8
    loops = 0
    for function in library.function:
        for attribute in ("_XlaMustCompile", "_xla_must_compile"):
            assert not function.attr[attribute].b
        loops += sum(
            node.op in ("While", "StatelessWhile") for node in function.node_def
        )
    assert loops >= 1  # the inner loop is a loop and not unrolled


def test_the_layout_is_what_tf_serving_reads(tmp_path):
    version = exports("prototypical").folder
    card = json.loads((version / "model_card.json").read_text())
    assert card["learner"] == "PrototypicalNetwork"
    assert card["name"] == "prototypical" and card["bytes"] > 0
    root = version.parent.parent
    config = (root / "models.config").read_text()
    assert 'name: "prototypical" base_path: "/models/prototypical"' in config
    assert "pad_variable_length_inputs: true" in (root / "batching.config").read_text()
    write_server_configs(root, mounted="/srv")
    assert "/srv/prototypical" in (root / "models.config").read_text()


def test_warm_up_records_are_read_and_answered():
    logs = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    version = exports("prototypical").folder
    signatures = load_signatures(version)
    seen = set()
    path = version / "assets.extra" / "tf_serving_warmup_requests"
    for record in tf.data.TFRecordDataset(str(path)):
        request = logs.PredictionLog.FromString(record.numpy()).predict_log.request
        inputs = {k: tf.constant(tf.make_ndarray(v)) for k, v in request.inputs.items()}
        assert signatures[request.model_spec.signature_name](**inputs)
        seen.add(request.model_spec.signature_name)
    assert seen == signatures.keys()


def test_versions_count_up_and_a_failed_export_leaves_nothing(tmp_path, monkeypatch):
    folder = tmp_path / "models" / "bot"
    (folder / "7").mkdir(parents=True)
    learner = make_prototypical()

    def fail(*_):
        raise RuntimeError("no room")

    with monkeypatch.context() as patch:
        patch.setattr("maml_tf.serving.export.write_warm_up", fail)
        with pytest.raises(RuntimeError, match="no room"):
            export_learner(learner, folder)
    assert [path.name for path in folder.iterdir()] == ["7"]
    version = export_learner(
        learner, folder, limits=Limits(examples=3), scope_threshold=0.0
    )
    assert version.name == "8"
    assert sorted(path.name for path in folder.iterdir()) == ["7", "8"]
    ask = load_signatures(folder)["classify"]
    texts = [tf.constant(t) for t in (SUPPORT[1:], LABELS[1:], QUERIES)]
    keys = ("support_texts", "support_labels", "query_texts")
    answer = ask(**dict(zip(keys, texts, strict=True)))
    assert answer["in_scope"].numpy().all()  # a threshold of 0 takes everything
    texts[:2] = tf.constant(SUPPORT), tf.constant(LABELS)
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 3"):
        ask(**dict(zip(keys, texts, strict=True)))


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    from maml_tf.serving.served_versions import ServedVersions
    from maml_tf.serving.tenant_backends import SQLiteBackend

    monkeypatch.setenv("HOME", str(tmp_path))
    written = []
    monkeypatch.setattr("maml_tf.serving.export._write", lambda *a: a[1].mkdir())
    monkeypatch.setattr("maml_tf.serving.export.write_server_configs", written.append)
    version = export_learner(make_prototypical(), "~/models/bot")
    assert version == tmp_path / "models" / "bot" / "1" and version.is_dir()
    assert written == [(tmp_path / "models").resolve()]
    assert ServedVersions("~/models/bot").folder == version.parent
    SQLiteBackend("~/bots.sqlite").add("shop", [("where is it", "track")])
    assert (tmp_path / "bots.sqlite").is_file()


@pytest.mark.parametrize("threshold", [-0.1, 1.1])
def test_a_threshold_out_of_range_is_refused(tmp_path, threshold):
    with pytest.raises(ValueError, match="between 0 and 1"):
        export_learner(make_prototypical(), tmp_path, scope_threshold=threshold)
    assert not any(tmp_path.iterdir())
