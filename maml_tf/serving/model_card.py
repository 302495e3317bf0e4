"""model_card.json: what an export was trained on, how good, how large, with what."""

import importlib.metadata
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from maml_tf.learners import MetaLearner
from maml_tf.serving.signatures import ServedLearner

PACKAGES = ("tensorflow", "tensorflow-text", "keras", "keras-nlp", "maml-tf")


def describe(learner: MetaLearner, served: ServedLearner) -> dict[str, Any]:
    """The part of the card that the learner itself tells.

    Args:
        learner: the learner that is exported.
        served: its served functions.
    """
    return {
        "learner": type(learner).__name__,
        "base_learner": type(learner.base_learner).__name__,
        "most_classes": learner.number_of_classes(),
        "parameters": sum(int(v.numpy().size) for v in learner.variables),
        "state_fingerprint": list(served.layout.fingerprint),
        "limits": vars(served.limits),
        "scope_threshold": served.scope_threshold,
        "calibration": served.calibration and asdict(served.calibration),
        "class_names_are_examples": served.class_names,
        "versions": {name: _version(name) for name in PACKAGES},
        "exported": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def bytes_in(folder: str | Path) -> int:
    """The size of all files in a folder, in bytes."""
    return sum(p.stat().st_size for p in Path(folder).rglob("*") if p.is_file())


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
