"""Warm-up records: the first requests, which TF Serving sends to itself on loading.

A record that fails keeps TF Serving from loading the model, so each one is answered by
the very files it is written beside before it is written.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf

from maml_tf.serving.saved_model import load_signatures

RECORDS = Path("assets.extra") / "tf_serving_warmup_requests"
# The fewest that can be learned from, so that no limit of an export refuses them.
TEXTS = ["turn on the lamp", "play a song"]
LABELS = ["light", "music"]
QUERIES = ["turn off the lamp in the kitchen, please"]
DIALOGUES = [["hello", "hi"]]


def warm_up_requests(
    signatures: dict[str, Any],
) -> list[tuple[str, dict[str, tf.Tensor]]]:
    """One request for each signature of an export, each of which it has answered.

    Args:
        signatures: what `load_signatures` gives.

    Returns:
        Pairs of a signature's name and its inputs.
    """
    known = _dialogues(signatures) if "generate" in signatures else _intents(signatures)
    requests = []
    for name, signature in sorted(signatures.items()):
        wanted = signature.structured_input_signature[1]
        inputs = {
            key: known[key][tf.newaxis] if name.endswith("_tasks") else known[key]
            for key in wanted
        }
        signature(**inputs)
        requests.append((name, inputs))
    return requests


def _vectors(embed: Any, texts: tf.Tensor) -> tf.Tensor:
    """Vectors of texts, one at a time, which every export's limits allow."""
    return tf.concat([embed(texts=text[tf.newaxis])["vectors"] for text in texts], 0)


def _intents(signatures: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Inputs by name of a model of intents."""
    texts = {
        "support_texts": tf.constant(TEXTS),
        "support_labels": tf.constant(LABELS),
        "query_texts": tf.constant(QUERIES),
        "texts": tf.constant(QUERIES),
    }
    known = {
        **texts,
        **signatures["adapt"](
            support_texts=texts["support_texts"], support_labels=texts["support_labels"]
        ),
    }
    if "examples" in signatures:
        support = {key: texts[key] for key in ("support_texts", "support_labels")}
        read = signatures["examples"](**support)["texts"]
        known["example_vectors"] = _vectors(signatures["embed"], read)
        known["query_vectors"] = _vectors(signatures["embed"], texts["texts"])
    return known


def _dialogues(signatures: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Inputs by name of a language model."""
    dialogues = tf.constant(DIALOGUES)
    return {
        "dialogues": dialogues,
        **signatures["adapt"](dialogues=dialogues),
        "turns": tf.constant(DIALOGUES[0][:1]),
        "replies": tf.constant(DIALOGUES[0][1:]),
        "stops": tf.constant(["\n"]),
        # Drawn, for what a draw needs is not there until it is first run.
        "temperature": tf.constant(1.0),
        "top_k": tf.constant(2),
        "top_p": tf.constant(0.9),
        "seed": tf.constant(0),
        "max_new_tokens": tf.constant(2),
    }


@contextmanager
def _graphs_as_they_are() -> Iterator[None]:
    """No graph is rewritten before its first run.

    All are run once here, and rewriting takes longer than that.
    """
    given, name = tf.config.optimizer, "disable_meta_optimizer"
    before = given.get_experimental_options().get(name, False)
    given.set_experimental_options({name: True})
    try:
        yield
    finally:
        given.set_experimental_options({name: before})


def write_warm_up(version: str | Path, model: str) -> list[str]:
    """Writes the warm-up records of an export.

    Args:
        version: the folder of one version of an export.
        model: the name under which it will be served.

    Returns:
        The signatures that are warmed up; none where the package
        tensorflow-serving-api, which knows the format, is not installed.
    """
    try:
        from tensorflow_serving.apis import prediction_log_pb2
    except ImportError:
        return []
    with _graphs_as_they_are():
        requests = warm_up_requests(load_signatures(version))
    path = Path(version) / RECORDS
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for name, inputs in requests:
            log: Any = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = model
            request.model_spec.signature_name = name
            for key, value in inputs.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(value.numpy()))
            writer.write(log.SerializeToString())
    return [name for name, _ in requests]
