"""Digests of what settings only name, so that a run knows when it has changed."""

import hashlib
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from .run import weights_digest


def file_digest(path: str | Path) -> str:
    """64 hexadecimal digits of what a file holds."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def arrays_digest(nest: Any) -> str:
    """64 hexadecimal digits of arrays, their shapes and where they stand in the nest.

    Example:

    >>> one = arrays_digest({"a": np.zeros(2), "b": np.ones(2)})
    >>> one == arrays_digest({"b": np.ones(2), "a": np.zeros(2)})
    True
    >>> one == arrays_digest({"a": np.ones(2), "b": np.zeros(2)})
    False
    """
    found = hashlib.sha256()
    for path, leaf in keras.tree.flatten_with_path(nest):
        array = np.asarray(leaf)
        # Texts, too, are arrays; objects would be hashed by their addresses.
        if array.dtype.hasobject:
            array = array.astype(str)
        found.update(f"{path}{array.dtype.str}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def encoder_digest(encoder: keras.Model) -> str:
    """64 hexadecimal digits of a text encoder: its weights and how it is built.

    Names that Keras numbers by the order of making are no part of it, nor is the
    preprocessor: digest the tokens that it gives.
    """
    settings = dict(encoder.get_config())
    for part in ("name", "preprocessor", "backbone"):
        settings.pop(part, None)
    backbone = getattr(encoder, "backbone", None)
    if backbone is not None:
        settings["backbone"] = {**backbone.get_config(), "name": None}
    text = json.dumps(settings, sort_keys=True, default=str)
    whole = f"{type(encoder).__name__}{text}{weights_digest(encoder)}"
    return hashlib.sha256(whole.encode()).hexdigest()
