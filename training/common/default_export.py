"""The default model as an export, made once and kept, so that it is there soon."""

import contextlib
import hashlib
import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("maml-tf", "tensorflow", "tensorflow-text", "keras-nlp")


def default_export() -> Path:
    """The folder of the default model's export, made if it is not there yet.

    It lies in the user's cache, under the versions of all that it is made of.
    """
    from maml_tf.serving.saved_model import version_folder

    folder = cache_folder() / f"default-{_digest()}"
    try:
        return version_folder(folder)
    except FileNotFoundError:
        pass
    print(
        "The default model is prepared, once; this takes half a minute.",
        file=sys.stderr,
        flush=True,
    )
    from maml_tf.default_learner import default_calibration, default_learner
    from maml_tf.serving import export_learner

    export_learner(
        default_learner(),
        folder,
        calibration=default_calibration(),
        class_names=True,
    )
    for old in folder.parent.glob("default-*"):
        if old != folder:  # a chat that runs holds its own in memory
            shutil.rmtree(old, ignore_errors=True)
    return version_folder(folder)


def cache_folder() -> Path:
    """Where this package keeps what it can make again."""
    kept = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(kept) / "maml_tf"


def _digest() -> str:
    import maml_tf

    found = hashlib.sha256()
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):  # a checkout, not installed
            found.update(version(package).encode())
    # A checkout changes without its version: its sources count, and its deltas.
    home = Path(maml_tf.__file__).parent
    for path in sorted([*home.rglob("*.py"), *home.rglob("deltas/*")]):
        if path.is_file() and "chatbot" not in path.parts:
            found.update(path.read_bytes())
    return found.hexdigest()[:12]
