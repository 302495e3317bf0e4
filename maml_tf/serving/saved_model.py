"""Loading an export again: which version, and its signatures."""

from pathlib import Path
from typing import Any

from maml_tf.serving.tensorflow_alone import tensorflow_for_exports


def versions_of(folder: str | Path) -> list[int]:
    """The versions under `NAME`, oldest first; unfinished ones have no number.

    Example:

    >>> versions_of("no/such/folder")
    []
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        return []
    return sorted(
        int(path.name)
        for path in folder.iterdir()
        if path.name.isdecimal() and (path / "saved_model.pb").is_file()
    )


def version_folder(folder: str | Path) -> Path:
    """The folder of the version that a path names: itself, or the newest in it.

    Args:
        folder: `NAME` or `NAME/VERSION`.

    Raises:
        FileNotFoundError: if no export is there.

    Example:

    >>> version_folder("no/such/folder")
    Traceback (most recent call last):
    ...
    FileNotFoundError: no/such/folder holds no export; export_learner writes one.
    """
    folder = Path(folder).expanduser()
    if (folder / "saved_model.pb").is_file():
        return folder
    versions = versions_of(folder)
    if not versions:
        raise FileNotFoundError(f"{folder} holds no export; export_learner writes one.")
    return folder / str(versions[-1])


def load_signatures(folder: str | Path) -> dict[str, Any]:
    """The signatures of an export by name, callable with named tensors.

    Args:
        folder: `NAME`, of which the newest version is taken, or `NAME/VERSION`.

    Raises:
        FileNotFoundError: if no export is there.
    """
    tf = tensorflow_for_exports()
    loaded = tf.saved_model.load(str(version_folder(folder)))
    signatures = dict(loaded.signatures)
    for signature in signatures.values():
        signature.loaded = loaded  # a signature alone does not keep its variables
    return signatures
