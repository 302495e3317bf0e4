"""What training a language model's learner changed, kept without the model itself."""

from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from maml_tf import MetaLearner

from .files import write_aside
from .run import RunError

WEIGHTS = "weights.safetensors"
FROZEN = "frozen/"


def save_trained(
    folder: Path, learner: MetaLearner, frozen: Iterable[keras.Variable] = ()
) -> None:
    """Writes the trainable variables, by number and path, and some that are frozen.

    Args:
        folder: of the run.
        learner: that was trained.
        frozen: what `load_initial` put beside the trainable ones, without which the
            pretrained model would not be the one that was trained further.
    """
    arrays = {
        _name(place, v): np.array(v, order="C")
        for place, v in enumerate(learner.trainable_variables)
    } | {f"{FROZEN}{v.path}": np.array(v, order="C") for v in frozen}
    write_aside(folder / WEIGHTS, lambda path: save_file(arrays, path))


def load_initial(folder: Path, base_learner: keras.Model) -> list[keras.Variable]:
    """Puts the base learner's weights of an earlier run of any learner into another.

    The earlier run may have trained all weights where this one trains factors beside
    them; then those are the frozen ones here.

    Returns:
        The frozen variables that now differ from the pretrained model's, for
        `save_trained`.

    Raises:
        RunError: if the earlier run had another base learner.
    """
    earlier = {name.split("/", 1)[1]: a for name, a in _read(folder).items()}
    trainable = base_learner.trainable_variables
    frozen = list(getattr(base_learner, "frozen_weights", ()))
    factored = any(variable.path in earlier for variable in trainable)
    changed = [variable for variable in frozen if variable.path in earlier]
    # A run of factors has frozen ones too if it had itself started from all weights.
    variables = [*trainable, *changed] if factored else frozen or trainable
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
    return changed


def load_trained(folder: Path, learner: MetaLearner) -> None:
    """Puts what `save_trained` wrote into a learner made of the same settings.

    Raises:
        RunError: if there is no such file, or it is another learner's.
    """
    arrays = _read(folder)
    frozen = {
        f"{FROZEN}{v.path}": v
        for v in getattr(learner.base_learner, "frozen_weights", ())
        if f"{FROZEN}{v.path}" in arrays
    }
    variables = frozen | {
        _name(p, v): v for p, v in enumerate(learner.trainable_variables)
    }
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
