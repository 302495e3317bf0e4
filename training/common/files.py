"""Files of a run, written so that a kill at any moment loses nothing."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
from absl import app

# Importing the package registers every class that a saved learner names.
from maml_tf import MetaLearner


def write_aside(path: Path, write: Callable[[Path], object]) -> None:
    """Writes beside the path and renames, so a kill leaves the old file whole."""
    aside = path.with_name("aside-" + path.name)
    write(aside)
    os.replace(aside, path)


def read_json(path: Path, missing: Any) -> Any:
    """What an earlier run wrote, or `missing` where there is no such file."""
    if not path.is_file():
        return missing
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise app.UsageError(
            f"{path} exists and is no JSON; move it away or name another file."
        ) from error


def load_model(path: Path) -> MetaLearner:
    try:
        return keras.models.load_model(path)
    except Exception as error:
        raise app.UsageError(
            f"{path} is not a readable learner ({type(error).__name__}); it may "
            "be truncated: delete it to start again from what is left."
        ) from error
