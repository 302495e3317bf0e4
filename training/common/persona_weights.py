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


def load_initial(folder: Path, learner: MetaLearner) -> None:
    """Puts the base learner's weights of an earlier run into a learner of any kind.

    Raises:
        RunError: if the earlier run had another base learner.
    """
    by_path = {v.path: v for v in learner.base_learner.trainable_variables}
    earlier = {name.split("/", 1)[1]: a for name, a in _read(folder).items()}
    if any(
        path not in earlier or earlier[path].shape != tuple(v.shape)
        for path, v in by_path.items()
    ):
        raise RunError(
            f"The run in {folder} had another base learner, or other factors; give it "
            "the same --base_learner, --lora_rank and --lora_blocks."
        )
    for path, variable in by_path.items():
        variable.assign(earlier[path])


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
        raise RunError(
            f"{folder} has no {WEIGHTS}; let its training.train_persona run to its end."
        )


def _read(folder: Path) -> dict[str, np.ndarray]:
    check_weights(folder)
    path = folder / WEIGHTS
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} cannot be read ({type(error).__name__}).") from error


def _name(place: int, variable: keras.Variable) -> str:
    return f"{place:03d}/{variable.path}"
