"""Files of a run, written so that a kill at any moment loses nothing."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import app

if TYPE_CHECKING:
    from maml_tf import MetaLearner

ASIDE = "aside-"


def write_aside(path: Path, write: Callable[[Path], object]) -> None:
    """Writes beside the path and renames, so a kill leaves the old file whole.

    What is half written when `write` raises, say because the disk is full, is removed.

    Raises:
        OSError: naming the path, whatever the library that writes names.
    """
    # The process' number keeps two that write the same file apart; the ending of the
    # name stays last, because it tells Keras and NumPy the format.
    aside = path.with_name(f"{ASIDE}{os.getpid()}-{path.name}")
    try:
        write(aside)
        os.replace(aside, path)
    except BaseException as error:
        aside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            said = error.strerror or str(error)
            raise OSError(error.errno, said, str(path)) from error
        raise


def check_output_file(path: Path) -> None:
    """Refuses a file that cannot be written later, and writes nothing.

    Raises:
        OSError: naming the place that is in the way.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file to write.")
    above = next(p for p in path.absolute().parents if p.exists())
    if not above.is_dir():
        raise NotADirectoryError(f"{above} is a file, so {path} cannot be written.")
    if not os.access(path if path.exists() else above, os.W_OK):
        raise PermissionError(f"{path} cannot be written; name another file.")


def write_json(path: Path, content: Any) -> None:
    """Writes JSON as `write_aside` does; the folder is made if need be.

    Raises:
        ValueError: for numbers that JSON has no name for, NaN and infinity.
    """
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_aside(path, lambda aside: aside.write_text(text, encoding="utf-8"))


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


def load_model(path: Path) -> "MetaLearner":
    """The learner in a file that Keras wrote; this loads TensorFlow."""
    import keras

    # Importing the package registers every class that a saved learner names.
    from maml_tf import MetaLearner

    try:
        learner = keras.models.load_model(path)
    except Exception as error:
        raise app.UsageError(
            f"{path} is not a readable learner ({type(error).__name__}); it may "
            "be truncated: delete it to start again from what is left."
        ) from error
    if not isinstance(learner, MetaLearner):
        raise app.UsageError(
            f"{path} holds a {type(learner).__name__}, which is no learner of this "
            "package; give a file that training wrote."
        )
    return learner


def kept_arrays(path: Path, compute: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """Arrays by name out of a .npz file; computed and kept where there is none yet."""
    import numpy as np

    if path.is_file():
        try:
            with np.load(path, allow_pickle=False) as held:
                return {key: held[key] for key in held.files}
        except Exception:
            print(f"{path} cannot be read and is computed again.", flush=True)
    arrays = {key: np.asarray(value) for key, value in compute().items()}
    write_aside(path, lambda aside: np.savez(aside, **arrays))  # type: ignore[arg-type]
    return arrays
