"""What every test shares: small episodes and the folder of development data."""

import gc
import os
import shutil
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# XLA compiles in a third of the time what need not be fast, here and in scripts that
# tests start. Set it to nothing to test as users compile.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false",
)

import keras
import numpy as np
import pytest
import tensorflow as tf


def pytest_collection_finish():
    # What is loaded by now stays, and need not be looked through for what is rubbish,
    # which tracing sets off every few hundred operations.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 5)


def shared_data() -> Path:
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("MAML_TF_DATA", default))


@pytest.fixture
def data_dir() -> Path:
    folder = shared_data()
    if not folder.is_dir():
        pytest.skip(f"no development data at {folder}; set MAML_TF_DATA")
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file below a fresh folder and gives its path."""

    def written(name: str, content: str | bytes, encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = content if isinstance(content, bytes) else content.encode(encoding)
        path.write_bytes(raw)
        return path

    return written


@pytest.fixture(autouse=True, scope="module")
def _rubbish_of_a_module_goes():
    # Graphs lie in cycles and are large, of few objects: counting these is not enough.
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def _fresh_seed():
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="module")
def graphs_as_traced():
    """TensorFlow does not rewrite graphs before their first run.

    For small models that takes longer than all of their runs, but what is not rewritten
    takes twice the memory, so this is for a few modules.
    """
    options = tf.config.optimizer.set_experimental_options
    options({"disable_meta_optimizer": True})
    yield
    options({"disable_meta_optimizer": False})


@pytest.fixture
def float64():
    """New layers compute in float64.

    The policy that layers take is set too: once it has been asked for, Keras keeps it
    whatever `set_floatx` says.
    """
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


def make_episodes(tasks=3, ways=2, shots=3, queries=4, dim=4, seed=0, dtype="float32"):
    """Well separated Gaussian classes, drawn anew for every task."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(tasks, ways, dim)) * 2
    draw = np.vectorize(rng.permutation, signature="(n)->(n)")
    support = draw(np.tile(np.repeat(np.arange(ways), shots), (tasks, 1)))
    query = draw(np.tile(np.repeat(np.arange(ways), queries), (tasks, 1)))
    rows = np.arange(tasks)[:, None]

    def noisy(labels):
        values = centres[rows, labels] + 0.3 * rng.normal(size=(*labels.shape, dim))
        return values.astype(dtype)

    x = {
        "support_inputs": noisy(support),
        "support_targets": support.astype("int32"),
        "query_inputs": noisy(query),
    }
    return x, query.astype("int32")


@pytest.fixture
def episodes():
    return make_episodes()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A running server of a small export, which no test changes."""
    pytest.importorskip("waitress")
    pytest.importorskip("tensorflow_serving")
    from serving.small_exports import exports

    from maml_tf.serving.model_server import ModelServer

    folder = tmp_path_factory.mktemp("served") / "bot"
    shutil.copytree(exports("prototypical").folder, folder / "1")
    with ModelServer(folder, rest_port=0, grpc_port=0, poll_seconds=60) as running:
        yield running
