"""Files of a run, written so that a kill at any moment loses nothing."""

import os
from collections.abc import Callable
from pathlib import Path

import keras
from absl import app

# Importing the package registers every class that a saved learner names.
from maml_tf import MetaLearner


def write_aside(path: Path, write: Callable[[Path], object]) -> None:
    """Writes beside the path and renames, so a kill leaves the old file whole."""
    aside = path.with_name("aside-" + path.name)
    write(aside)
    os.replace(aside, path)


def load_model(path: Path) -> MetaLearner:
    try:
        return keras.models.load_model(path)
    except Exception as error:
        raise app.UsageError(
            f"{path} is not a readable learner ({type(error).__name__}); it may "
            "be truncated: delete it to start again from what is left."
        ) from error
