"""A server that several modules of tests ask, and that no test changes."""

import shutil

import pytest
from serving.small_exports import exports


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    pytest.importorskip("waitress")
    pytest.importorskip("tensorflow_serving")
    from maml_tf.serving.model_server import ModelServer

    folder = tmp_path_factory.mktemp("served") / "bot"
    shutil.copytree(exports("prototypical").folder, folder / "1")
    with ModelServer(folder, rest_port=0, grpc_port=0, poll_seconds=60) as running:
        yield running
