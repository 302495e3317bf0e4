"""Files of a run, written so that a kill at any moment loses nothing."""

import os
from collections.abc import Callable
from pathlib import Path

import keras
from absl import app

from maml_tf import MetaLearner  # the package's import registers what files name


def write_aside(path: Path, write: Callable[[Path], object]) -> None:
    """Writes beside the path and renames: a kill leaves the old file whole."""
    aside = path.with_name("aside-" + path.name)
    write(aside)
    os.replace(aside, path)


def load_model(path: Path) -> MetaLearner:
    try:
        return keras.models.load_model(path)
    except Exception as error:
        raise app.UsageError(
            f"{path} cannot be read as a saved learner ({type(error).__name__}); it may "
            "be truncated: delete it to start again from what is left."
        ) from error
