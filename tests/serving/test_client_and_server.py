"""One client, four ways to the same answers: disk, REST, gRPC, and with a task axis."""

import http.server
import json
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf
from serving.small_exports import LABELS, QUERIES, SUPPORT, exports

from maml_tf.serving import (
    AdaptedState,
    Client,
    RequestError,
    ServiceError,
    StaleStateError,
)
from maml_tf.serving.results import Overloaded

requests = pytest.importorskip("requests")
pytest.importorskip("waitress")
pytest.importorskip("tensorflow_serving")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from maml_tf.serving.model_server import ModelServer

    folder = tmp_path_factory.mktemp("served") / "bot"
    folder.mkdir()
    shutil.copytree(exports("prototypical").folder, folder / "1")
    with ModelServer(folder, rest_port=0, grpc_port=0, poll_seconds=0.1) as running:
        yield running


def rest_url(server):
    return f"http://127.0.0.1:{server.rest_port}"


@pytest.fixture(scope="module")
def clients(server):
    rest, grpc = rest_url(server), f"grpc://127.0.0.1:{server.grpc_port}"
    made = {
        "disk": Client(server.versions.folder),
        "rest": Client(rest, "bot"),
        "grpc": Client(grpc, "bot", version=1),
        "rest with tasks": Client(rest, "bot", batched=True),
        "grpc with tasks": Client(grpc, "bot", batched=True),
        "disk with tasks": Client(server.versions.folder, batched=True),
    }
    yield made
    for client in made.values():
        client.close()


WAYS = ["disk", "rest", "grpc", "rest with tasks", "grpc with tasks", "disk with tasks"]


@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_the_same_answers(clients, way):
    client, plain = clients[way], clients["disk"]
    expected = plain.classify(SUPPORT, LABELS, QUERIES)
    state = AdaptedState.from_bytes(client.adapt(SUPPORT, LABELS).to_bytes())
    for answers in (
        client.classify(SUPPORT, LABELS, QUERIES),
        client.predict(state, QUERIES),
    ):
        assert answers.intents == expected.intents
        assert answers.class_names == ["light", "music"]
        np.testing.assert_allclose(
            answers.probabilities, expected.probabilities, atol=1e-5
        )
        np.testing.assert_array_equal(answers.in_scope, expected.in_scope)
    np.testing.assert_allclose(
        client.embed(QUERIES), plain.embed(QUERIES), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("way", ["disk", "rest", "grpc", "grpc with tasks"])
def test_every_way_refuses_with_a_sentence(clients, way):
    client = clients[way]
    with pytest.raises(RequestError, match="two intents or more and has 1"):
        client.classify(SUPPORT, ["a"] * 4, QUERIES)
    with pytest.raises(RequestError, match="query_texts must be UTF-8"):
        client.classify(SUPPORT, LABELS, [b"\xff"])
    state = client.adapt(SUPPORT, LABELS)
    values = state.values.copy()
    values[1] += 1
    with pytest.raises(StaleStateError, match="another version of this model"):
        client.predict(AdaptedState(values, state.class_names), QUERIES)
    with pytest.raises(TypeError, match="a list of texts"):
        client.embed("one text")


def test_rest_as_curl_sees_it(server):
    url = f"{rest_url(server)}/v1/models/bot"
    columns = {
        "support_texts": SUPPORT,
        "support_labels": LABELS,
        "query_texts": QUERIES,
    }
    answer = requests.post(f"{url}:predict", data=json.dumps({"inputs": columns}))
    outputs = answer.json()["outputs"]
    names = {"intents", "probabilities", "in_scope", "margins", "class_names"}
    assert set(outputs) == names
    body = {"signature_name": "classify_tasks", "instances": [columns, columns]}
    rows = requests.post(f"{url}/versions/1:predict", json=body).json()["predictions"]
    assert [row["intents"] for row in rows] == [outputs["intents"]] * 2
    vectors = requests.post(
        f"{url}:predict", json={"signature_name": "embed", "instances": ["a", "b"]}
    )
    assert np.shape(vectors.json()["predictions"]) == (2, 16)
    status = requests.get(url).json()["model_version_status"][0]
    assert status["state"] == "AVAILABLE" and status["version"] == "1"
    metadata = requests.get(f"{url}/metadata").json()["metadata"]
    signature = metadata["signature_def"]["signature_def"]["predict"]
    assert signature["inputs"]["state"]["dtype"] == "DT_FLOAT"


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("bot:predict", '{"signature_name": "embed", "inputs": "a"}', 400, "1 axes"),
        ("bot:predict", "not JSON", 400, "not JSON"),
        ("bot:predict", "{}", 400, "inputs or instances"),
        ("bot:predict", '{"inputs": {"texts": ["a"]}}', 400, "inputs are"),
        ("bot:predict", '{"signature_name": "x", "inputs": ["a"]}', 404, "embed"),
        ("bot/versions/9:predict", '{"inputs": ["a"]}', 404, "version 9"),
        ("other:predict", '{"inputs": ["a"]}', 404, "served here is bot"),
        ("bot:nothing", "{}", 405, "not allowed"),
        (
            "bot:predict",
            '{"signature_name": "embed", "inputs": [["a"], ["b", "c"]]}',
            400,
            "texts[0] has to be a text, not a list",
        ),
    ],
)
def test_rest_refuses(server, path, body, status, sentence):
    answer = requests.post(f"{rest_url(server)}/v1/models/{path}", data=body)
    assert answer.status_code == status
    assert sentence in answer.json()["error"]


def test_grpc_status_and_metadata(server):
    import grpc
    from tensorflow_serving.apis import (
        get_model_metadata_pb2,
        get_model_status_pb2,
        model_service_pb2_grpc,
        prediction_service_pb2_grpc,
    )

    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        asked = get_model_status_pb2.GetModelStatusRequest()
        asked.model_spec.name = "bot"
        status = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(asked)
        assert status.model_version_status[0].state == 30  # AVAILABLE
        wanted = get_model_metadata_pb2.GetModelMetadataRequest()
        wanted.model_spec.name = "bot"
        wanted.metadata_field.append("signature_def")
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        answer = stub.GetModelMetadata(wanted)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(signatures)
        assert "state" in signatures.signature_def["adapt"].outputs
        wanted.model_spec.name = "other"
        with pytest.raises(grpc.RpcError, match="served here is bot"):
            stub.GetModelMetadata(wanted)


def test_a_new_version_is_taken_and_the_old_one_drained(server, clients):
    versions, client = server.versions, clients["rest"]
    source, folder = versions.folder / "1", versions.folder
    stop, failures = threading.Event(), []

    def ask():
        while not stop.is_set():
            try:
                client.embed(["a"])
                time.sleep(0.02)
            except Exception as error:
                failures.append(error)

    with versions.signature("embed") as (held, _), ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        # A broken version first: the old one stays.
        (folder / "2").mkdir()
        (folder / "2" / "saved_model.pb").write_bytes(b"half")
        wait_for(lambda: "END" in [s for n, s, _ in versions.status() if n == 2])
        assert versions.newest() == 1
        shutil.copytree(source, folder / "unfinished")
        (folder / "unfinished").rename(folder / "3")
        wait_for(lambda: versions.newest() == 3)
        states = {number: state for number, state, _ in versions.status()}
        assert states[1] == "UNLOADING"  # still held by the request above
        assert held(texts=tf.constant(["a"]))["vectors"].shape == (1, 16)
        stop.set()
        for one in asking:
            one.result()
    assert not failures
    states = {number: state for number, state, _ in versions.status()}
    assert states == {1: "END", 2: "END", 3: "AVAILABLE"}
    assert client.classify(SUPPORT, LABELS, QUERIES).class_names == ["light", "music"]


def wait_for(condition, seconds=200):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


class Flaky:
    def __init__(self, failures):
        self.failures, self.calls = failures, 0

    def call(self, signature, inputs, timeout):
        self.calls += 1
        if self.calls <= self.failures:
            raise Overloaded("too many requests")
        return {"vectors": np.zeros((1, 2))}


def test_overload_is_tried_again_until_the_time_is_up():
    client = Client(exports("prototypical").folder, timeout=5)
    client.transport = Flaky(3)
    assert client.embed(["a"]).shape == (1, 2)
    assert client.transport.calls == 4
    client.transport, client.timeout = Flaky(10**6), 0.3
    start = time.monotonic()
    with pytest.raises(ServiceError, match="too many requests"):
        client.embed(["a"])
    assert time.monotonic() - start < 1


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_server_that_is_not_there_is_told_at_once(scheme):
    start = time.monotonic()
    with (
        Client(f"{scheme}://127.0.0.1:9", "bot", timeout=60) as client,
        pytest.raises(ServiceError, match=r"Nothing answers at .*127\.0\.0\.1:9"),
    ):
        client.embed(["a"])
    assert time.monotonic() - start < 10


def test_a_server_that_was_there_is_waited_for():
    client = Client("http://127.0.0.1:9", "bot", timeout=0.4)
    client.transport, away = Flaky(0), client.transport
    client.embed(["a"])
    client.transport = away
    with pytest.raises(ServiceError, match="Nothing answers"):
        client.embed(["a"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "ftp://x", "model": "bot"}, "neither a folder"),
        ({"target": "http://x", "model": ""}, "needs the model's name"),
        ({"target": "http://x", "model": "b", "timeout": float("nan")}, "positive"),
        ({"target": "http://x", "model": "b", "version": 0}, "whole number from 1"),
    ],
)
def test_a_client_is_told_what_it_lacks(options, message):
    with pytest.raises(ValueError, match=message):
        Client(**options)


@pytest.mark.parametrize(
    "body",
    ["<html>", "", "[1]", '{"outputs": {"vectors": [[1], [2, 3]]}}', '{"outputs": {}}'],
)
def test_another_program_at_the_address_is_told_as_such(body):
    class Another(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Another) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = Client(f"http://127.0.0.1:{server.server_port}", "bot")
        with client, pytest.raises(ServiceError, match=r"another program|no vectors"):
            client.embed(["a"])
        server.shutdown()


def test_a_client_of_a_server_loads_no_tensorflow():
    code = """
import sys
from maml_tf.serving import Client, ServiceError, TenantStore
for scheme in ("http", "grpc"):
    try:
        Client(scheme + "://127.0.0.1:9", "bot").embed(["a"])
    except ServiceError as error:
        assert "Nothing answers" in str(error), error
print([name for name in ("tensorflow", "keras", "keras_nlp") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"


def test_an_error_without_text_does_not_end_the_watcher(tmp_path, monkeypatch):
    from maml_tf.serving import served_versions

    folder = tmp_path / "bot" / "1"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").touch()

    def fail(_):
        raise AssertionError

    monkeypatch.setattr(served_versions, "load_signatures", fail)
    versions = served_versions.ServedVersions(folder.parent)
    versions.look()
    assert versions.status() == [(1, "END", "AssertionError")]
