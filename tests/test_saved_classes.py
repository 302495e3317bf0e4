"""A saved learner is loaded by Keras in a process that only imported the package."""

import subprocess
import sys

import keras
import pytest

from maml_tf import ProtoMAML


@pytest.mark.parametrize(
    "first",
    ["import keras, maml_tf", "from maml_tf import MetaLearner; import keras"],
)
def test_importing_the_package_is_enough_to_load_a_learner(tmp_path, first):
    path = tmp_path / "learner.keras"
    ProtoMAML(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])).save(path)
    code = (
        f"{first}; loaded = keras.models.load_model({str(path)!r}); "
        "assert type(loaded).__name__ == 'ProtoMAML'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
