"""TensorFlow and the text operations of an export, without Keras.

An export is a graph: to run it, nothing of Keras is needed, whose import takes a
second and a hundred megabytes.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

# TensorFlow imports it for its registrations, and goes on where there is none.
KERAS_HOOK = "keras.src.optimizers"


def tensorflow_for_exports() -> Any:
    """The module `tensorflow`, knowing the operations that exports are made of.

    Where it was imported before, with Keras or without, it stays as it is; and
    `import keras` works afterwards as ever.

    Raises:
        ImportError: if TensorFlow or tensorflow-text is not installed.
    """
    with _without_keras(), _without_garbage_collection():
        import tensorflow as tf

    found = find_spec("tensorflow_text")
    if found is None or not found.submodule_search_locations:
        raise ImportError(
            "An export needs tensorflow-text, which reads its texts; install it in "
            "TensorFlow's version."
        )
    # The libraries alone: the package around them imports Keras for its layers.
    for folder in found.submodule_search_locations:
        tf.load_library(str(Path(folder) / "python" / "ops"))
    return tf


@contextmanager
def _without_keras() -> Iterator[None]:
    if "tensorflow" in sys.modules or KERAS_HOOK in sys.modules:
        yield
        return
    sys.modules[KERAS_HOOK] = cast(Any, None)  # as Python marks what cannot be imported
    try:
        yield
    finally:
        del sys.modules[KERAS_HOOK]


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Nothing of what an import makes is garbage, and looking for it takes time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
