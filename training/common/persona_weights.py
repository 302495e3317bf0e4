"""What training a language model's learner changed, kept without the model itself."""

from pathlib import Path

import keras
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from maml_tf import MetaLearner

from .files import write_aside
from .run import RunError

WEIGHTS = "weights.safetensors"


def save_trained(folder: Path, learner: MetaLearner) -> None:
    """Writes the trainable variables, by number and path."""
    arrays = {
        _name(place, v): np.array(v, order="C")
        for place, v in enumerate(learner.trainable_variables)
    }
    write_aside(folder / WEIGHTS, lambda path: save_file(arrays, path))


def load_trained(folder: Path, learner: MetaLearner) -> None:
    """Puts what `save_trained` wrote into a learner made of the same settings.

    Raises:
        RunError: if there is no such file, or it is another learner's.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise RunError(
            f"{folder} has no {WEIGHTS}; let its training.train_persona run to its end."
        )
    try:
        arrays = load_file(path)
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} cannot be read ({type(error).__name__}).") from error
    variables = {_name(p, v): v for p, v in enumerate(learner.trainable_variables)}
    if set(arrays) != set(variables) or any(
        arrays[name].shape != tuple(v.shape) for name, v in variables.items()
    ):
        raise RunError(f"{path} holds the weights of another learner.")
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _name(place: int, variable: keras.Variable) -> str:
    return f"{place:03d}/{variable.path}"
