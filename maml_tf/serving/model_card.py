"""model_card.json: what an export was trained on, how good, how large, with what."""

import importlib.metadata
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from maml_tf.serving.language_model import ServedLanguageModel
from maml_tf.serving.signatures import ServedLearner

PACKAGES = ("tensorflow", "tensorflow-text", "keras", "keras-nlp", "maml-tf")


def describe(served: ServedLearner) -> dict[str, Any]:
    """The part of the card that a learner of intents itself tells.

    Args:
        served: its served functions.
    """
    return {
        **_described(served),
        "most_classes": served.learner.number_of_classes(),
        "scope_threshold": served.scope_threshold,
        "calibration": served.calibration and asdict(served.calibration),
        "class_names_are_examples": served.class_names,
    }


def describe_language_model(served: ServedLanguageModel) -> dict[str, Any]:
    """The part of the card that a learner over a language model itself tells.

    Args:
        served: its served functions.
    """
    bytes_a_number = {"float16": 2, "float32": 4}[served.state_dtype]
    return {
        **_described(served),
        "language_model": True,
        "max_tokens": served.max_tokens,
        "state_dtype": served.state_dtype,
        "state_bytes": served.state_floats * bytes_a_number,
    }


def _described(served: ServedLearner | ServedLanguageModel) -> dict[str, Any]:
    learner = served.learner
    return {
        "learner": type(learner).__name__,
        "base_learner": type(learner.base_learner).__name__,
        "parameters": sum(int(np.prod(v.shape)) for v in learner.variables),
        "state_fingerprint": list(served.layout.fingerprint),
        "limits": vars(served.limits),
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
