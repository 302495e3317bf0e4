"""Writes a learner as a SavedModel that learns: NAME/VERSION, whole or not at all."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from maml_tf.evaluation.calibration import Calibration
from maml_tf.learners import MetaLearner
from maml_tf.serving.model_card import bytes_in, describe
from maml_tf.serving.precision import in_precision
from maml_tf.serving.request_checks import Limits
from maml_tf.serving.server_configs import write_server_configs
from maml_tf.serving.signatures import ServedLearner
from maml_tf.serving.warm_up import write_warm_up

INPUTS = {
    "support_texts": tf.string,
    "support_labels": tf.string,
    "state": tf.float32,
    "class_names": tf.string,
    "query_texts": tf.string,
    "texts": tf.string,
    "example_vectors": tf.float32,
    "query_vectors": tf.float32,
}
SUPPORT = ("support_texts", "support_labels")
SIGNATURES = {
    "serving_default": ("classify", 1, (*SUPPORT, "query_texts")),
    "classify": ("classify", 1, (*SUPPORT, "query_texts")),
    "adapt": ("adapt", 1, SUPPORT),
    "predict": ("predict", 1, ("state", "class_names", "query_texts")),
    "embed": ("embed", 1, ("texts",)),
    "classify_tasks": ("classify_tasks", 2, (*SUPPORT, "query_texts")),
    "adapt_tasks": ("adapt_tasks", 2, SUPPORT),
    "predict_tasks": ("predict_tasks", 2, ("state", "class_names", "query_texts")),
    # Only where vectors of embed are what is learned from.
    "examples": ("examples", 1, SUPPORT),
    "adapt_vectors": ("adapt_vectors", 1, ("example_vectors", *SUPPORT)),
    "predict_vectors": (
        "predict_vectors",
        1,
        ("state", "class_names", "query_vectors"),
    ),
}


def export_learner(
    learner: MetaLearner,
    folder: str | Path,
    *,
    limits: Limits | None = None,
    scope_threshold: float | None = None,
    calibration: Calibration | None = None,
    precision: str = "float32",
    class_names: bool = False,
    card: Mapping[str, Any] | None = None,
) -> Path:
    """Writes the next version of a learner that adapts inside the graph.

    Beside the SavedModel the version has `model_card.json` and, where the package
    tensorflow-serving-api is installed, warm-up records of every signature. The folder
    above `NAME` gets `models.config` and `batching.config` for TF Serving.

    Args:
        learner: a built learner over a text base learner with its `preprocessor`.
        folder: `NAME`; the version goes to `NAME/VERSION`, the next free number.
        limits: the largest request that is worked on. By default 1,000 examples, or 40
            for each class where the learner tells a fixed number of classes apart.
        scope_threshold, calibration, class_names: see `ServedLearner`.
        precision: `"float32"`, `"bfloat16"` or `"int8"`; see `in_precision`.
        card: more entries for the model card, such as what it was trained on.

    Returns:
        The folder of the version. It appears under its number only when complete.

    Raises:
        ValueError: if the learner has no preprocessor or was never built, the
            threshold is not between 0 and 1, or the precision cannot be had.
    """
    if getattr(learner.base_learner, "preprocessor", None) is None:
        raise ValueError(
            "The base learner has no preprocessor to read texts with; make it with "
            "create_model or create_text_encoder, or export a language model with "
            "export_language_model."
        )
    if not learner.built:
        raise ValueError("Train the learner, or call it on a task, before the export.")
    if scope_threshold is not None and not 0 <= scope_threshold <= 1:
        raise ValueError(
            f"scope_threshold must be between 0 and 1, not {scope_threshold!r}."
        )
    learner = in_precision(learner, precision)
    served = ServedLearner(
        learner,
        limits or _limits_for(learner),
        scope_threshold,
        calibration,
        class_names,
    )
    entries = {"precision": precision, **(card or {})}
    return write_version(
        folder, lambda aside, name: _write(served, aside, name, entries)
    )


def write_version(folder: str | Path, write: Callable[[Path, str], None]) -> Path:
    """Writes the next version under `NAME`, aside first, and TF Serving's settings.

    Args:
        folder: `NAME`.
        write: makes a folder and fills it; it gets the folder and the model's name.

    Returns:
        The folder of the version, whole; where `write` fails there is none.
    """
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f"unfinished-{os.getpid()}"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        write(aside, folder.resolve().name)
        version = _publish(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    write_server_configs(folder.resolve().parent)
    return version


def write_saved_model(
    aside: Path,
    name: str,
    kept: Any,
    signatures: Mapping[str, tuple[Any, list[tf.TensorSpec]]],
    entries: Mapping[str, Any],
) -> None:
    """Writes a SavedModel with its warm-up records and its model card.

    Args:
        aside: the folder to be made.
        name: the model's name.
        kept: what holds tables, and no weights, that the functions use.
        signatures: a function and its inputs, by the name of the signature.
        entries: of the model card.
    """
    archive = keras.export.ExportArchive()
    # The weights that signatures use are kept with them. Tracking the learner as well
    # would write each a second time; only what holds no weights, a table of words say,
    # has to be named.
    archive.track(kept)
    for signature, (function, inputs) in signatures.items():
        archive.add_endpoint(signature, function, input_signature=inputs)
    archive.write_out(str(aside), verbose=False)
    _forget_gradients(aside)
    card = {
        "name": name,
        **entries,
        "signatures": {
            key: [spec.name for spec in inputs]
            for key, (_, inputs) in signatures.items()
        },
        "warm_up": write_warm_up(aside, name),
        "bytes": bytes_in(aside),
    }
    (aside / "model_card.json").write_text(json.dumps(card, indent=2) + "\n")


def _forget_gradients(aside: Path) -> None:
    """Takes the marks of custom gradients out of a graph that only runs forward.

    TensorFlow keeps one derivative of each and warns, at every load, of those of it.
    """
    path = aside / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for graph in saved.meta_graphs:
        for function in graph.graph_def.library.function:
            for node in function.node_def:
                node.attr.pop("_gradient_op_type", None)
        del graph.graph_def.library.registered_gradients[:]
    path.write_bytes(saved.SerializeToString(deterministic=True))


def _write(
    served: ServedLearner, aside: Path, name: str, card: Mapping[str, Any]
) -> None:
    signatures = {
        signature: (
            served.function(method),
            [
                tf.TensorSpec(
                    [None] * (rank + key.endswith("_vectors")), INPUTS[key], name=key
                )
                for key in inputs
            ],
        )
        for signature, (method, rank, inputs) in SIGNATURES.items()
        if served.function(method)
    }
    kept = served.learner.base_learner.preprocessor
    entries = {**describe(served), **card}
    write_saved_model(aside, name, kept, signatures, entries)


def _publish(aside: Path, folder: Path) -> Path:
    """Renames to the next free number, also when another export took it meanwhile."""
    taken = [int(p.name) for p in folder.iterdir() if p.name.isdecimal()]
    number = max(taken, default=0) + 1
    while True:
        version = folder / str(number)
        try:
            os.rename(aside, version)
            return version
        except OSError:
            if not version.exists():
                raise
            number += 1


def _limits_for(learner: MetaLearner) -> Limits:
    most = learner.number_of_classes()
    # A gradient through the encoder keeps its activations, a mean does not.
    return Limits() if most is None else Limits(examples=max(40 * most, 2))
