"""A saved learner is loaded by Keras in a process that only imported the package."""

import subprocess
import sys

import keras

from maml_tf import MAML


def test_importing_the_package_is_enough_to_load_a_learner(tmp_path):
    path = tmp_path / "maml.keras"
    MAML(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])).save(path)
    code = (
        "import keras, maml_tf; "
        f"assert isinstance(keras.models.load_model({str(path)!r}), maml_tf.MAML)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
