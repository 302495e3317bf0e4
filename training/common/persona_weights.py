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


def load_initial(folder: Path, base_learner: keras.Model) -> None:
    """Puts the base learner's weights of an earlier run of any learner into another.

    The earlier run may have trained all weights where this one trains factors beside
    them; then those are the frozen ones here.

    Raises:
        RunError: if the earlier run had another base learner.
    """
    earlier = {name.split("/", 1)[1]: a for name, a in _read(folder).items()}
    variables = base_learner.trainable_variables
    if not any(variable.path in earlier for variable in variables):
        variables = getattr(base_learner, "frozen_weights", variables)
    if any(
        v.path not in earlier or earlier[v.path].shape != tuple(v.shape)
        for v in variables
    ):
        raise RunError(
            f"The run in {folder} had another base learner, or other factors; give it "
            "the same --base_learner, --lora_rank and --lora_blocks."
        )
    for variable in variables:
        variable.assign(earlier[variable.path])


def load_trained(folder: Path, learner: MetaLearner) -> None:
    """Puts what `save_trained` wrote into a learner made of the same settings.

    Raises:
        RunError: if there is no such file, or it is another learner's.
    """
    arrays = _read(folder)
    variables = {_name(p, v): v for p, v in enumerate(learner.trainable_variables)}
    if set(arrays) != set(variables) or any(
        arrays[name].shape != tuple(v.shape) for name, v in variables.items()
    ):
        raise RunError(f"{folder / WEIGHTS} holds the weights of another learner.")
    for name, variable in variables.items():
        variable.assign(arrays[name])


def check_weights(folder: Path) -> None:
    """Refuses a run that has not come to its end.

    Raises:
        RunError: if there are no weights.
    """
    if not (folder / WEIGHTS).is_file():
        raise RunError(f"{folder} has no {WEIGHTS}; let its training run to its end.")


def _read(folder: Path) -> dict[str, np.ndarray]:
    check_weights(folder)
    path = folder / WEIGHTS
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} cannot be read ({type(error).__name__}).") from error


def _name(place: int, variable: keras.Variable) -> str:
    return f"{place:03d}/{variable.path}"
