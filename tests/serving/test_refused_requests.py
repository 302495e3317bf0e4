"""Whatever is sent, the answer is a status and a sentence, and the server goes on."""

import base64
import json
import socket
import time

import numpy as np
import pytest
from serving.small_exports import LABELS, QUERIES, SUPPORT

pytest.importorskip("waitress")
pytest.importorskip("tensorflow_serving")
grpc = pytest.importorskip("grpc")
pytest.importorskip("hypothesis")

from fuzzing import fuzz  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from tensorflow.core.framework import tensor_pb2, types_pb2  # noqa: E402
from tensorflow_serving.apis import predict_pb2  # noqa: E402

from maml_tf.serving.model_server import ModelServer  # noqa: E402

SECONDS = 20  # for one answer, so that nothing here can hang
PREDICT = "/v1/models/bot:predict"
GOOD = {"signature_name": "embed", "inputs": {"texts": ["a"]}}


@pytest.fixture(scope="module")
def send(server):
    """Sends bytes and gives status and JSON of the answer; None for no answer."""

    def ask(content, ends=True):
        address = ("127.0.0.1", server.rest_port)
        with socket.create_connection(address, timeout=SECONDS) as connection:
            connection.sendall(content)
            if ends:
                connection.shutdown(socket.SHUT_WR)
            found = b""
            while piece := connection.recv(65536):
                found += piece
        head, _, body = found.partition(b"\r\n\r\n")
        assert b"application/json" in head.lower(), found[:300]
        return int(head.split()[1]), json.loads(body)

    return ask


def http(body, path=PREDICT, method="POST", **headers):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if "Transfer-Encoding" not in given:
        given = {"Content-Length": len(body), **given}
    lines = [f"{method} {path} HTTP/1.1", "Host: here", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in given.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def embed(texts):
    return {"signature_name": "embed", "inputs": {"texts": texts}}


def classify(**changes):
    columns = {"support_texts": SUPPORT, "support_labels": LABELS}
    return {"inputs": {**columns, "query_texts": QUERIES, **changes}}


DEEP = b"[" * 100_000
JSON = {
    "a list in place of an object": ([], 400, "object with inputs or instances"),
    "both forms": ({"inputs": [], "instances": []}, 400, "inputs or instances"),
    "null": (None, 400, "object with inputs or instances"),
    "null as inputs": ({"inputs": None}, 400, "Name the inputs"),
    "null as instances": ({"instances": None}, 400, "must be a list"),
    "no instance": ({"instances": []}, 400, "an entry at least"),
    "mixed instances": ({"instances": [{"a": 1}, 2]}, 400, "the same names"),
    "a list as signature": ({**GOOD, "signature_name": ["x"]}, 400, "not a list"),
    "null as signature": ({**GOOD, "signature_name": None}, 400, "not null"),
    "an unknown signature": ({**GOOD, "signature_name": "x" * 999}, 404, "xxx..."),
    "half a character in it": ({**GOOD, "signature_name": "\ud83d"}, 404, "ud83d"),
    "half a character": (embed(["a", "\ud83d"]), 400, "texts[1] has to be a text"),
    "null as text": (embed([None]), 400, "texts[0] has to be a text, not null"),
    "a number as text": (embed(["a", 1]), 400, "texts[1] has to be a text, not a num"),
    "a boolean as text": (embed([True]), 400, "texts[0] has to be a text, not a bool"),
    "an object as text": (embed([{"a": 1}]), 400, "texts[0] has to be a text, not an"),
    "a list as text": (embed([["a"]]), 400, "texts[0] has to be a text, not a list"),
    "no base64": (embed([{"b64": "?"}]), 400, "texts[0] is not base64"),
    "base64 of a number": (embed([{"b64": 1}]), 400, "texts[0] is not base64"),
    "a string as list": (embed("a"), 400, "1 axes; it is a string"),
    "an object as list": (embed({}), 400, "1 axes; it is an object"),
    "another name": ({**GOOD, "inputs": {"\ud83d": []}}, 400, "inputs are texts"),
    "labels as numbers": (classify(support_labels=[0] * 4), 400, "support_labels[0]"),
    "a rank too many": (classify(query_texts=[QUERIES]), 400, "query_texts[0]"),
    "no query": (classify(query_texts=[]), 400, "query_texts holds no text"),
    "a state of strings": (
        {
            "signature_name": "predict",
            "inputs": {"state": ["1"], "class_names": ["a"], "query_texts": ["b"]},
        },
        400,
        "state[0] has to be a number, not a string",
    ),
    "a huge number": (
        {
            "signature_name": "predict",
            "inputs": {"state": [10**400], "class_names": [], "query_texts": []},
        },
        400,
        "no float32",
    ),
    "ragged rows": (
        {
            "signature_name": "classify_tasks",
            "inputs": {
                "support_texts": [["a"], []],
                "support_labels": [[], []],
                "query_texts": [[], []],
            },
        },
        400,
        "support_texts must be rectangular",
    ),
    "not UTF-8": (b'{"inputs": "\xff"}', 400, "not JSON"),
    "nested too deeply": (b'{"inputs": ' + DEEP, 400, "nested too deeply"),
    "NaN": (b'{"signature_name": "embed", "inputs": [NaN]}', 400, "JSON has no NaN"),
    "many digits": (b'{"inputs": ' + b"1" * 5000 + b"}", 400, "not JSON"),
    "nothing": (b"", 400, "not JSON"),
}


@pytest.mark.parametrize("case", JSON)
def test_a_body_is_refused_in_a_sentence(send, case):
    body, status, sentence = JSON[case]
    found, answer = send(http(body), ends=False)
    assert (found, answer.keys()) == (status, {"error"})
    assert sentence in answer["error"] and len(answer["error"]) < 300


PATHS = [
    ("GET", PREDICT, 405),
    ("POST", "/v1/models/bot", 405),
    ("DELETE", "/v1/models/bot/metadata", 405),
    ("NONSENSE", PREDICT, 405),
    ("POST", "/v1/models//bot:predict", 404),
    ("POST", "/v1/models/bot/versions/9:predict", 404),
    ("POST", f"/v1/models/bot/versions/{'9' * 400}:predict", 404),
    ("POST", "/v1/models/bot/versions/-1:predict", 404),
    ("POST", "/v1/models/bot:predict/", 404),
    ("GET", "/%ff%00", 404),
    ("GET", "//elsewhere", 404),
    ("GET", "http://[", 400),
]


@pytest.mark.parametrize(("method", "path", "status"), PATHS)
def test_a_path_is_refused_in_a_sentence(send, method, path, status):
    found, answer = send(http(GOOD, path, method), ends=False)
    assert (found, answer.keys()) == (status, {"error"})


REQUESTS = {
    "no length": (b"POST %b HTTP/1.1\r\nHost: a\r\n\r\n" % PREDICT.encode(), 400),
    "a length that is none": (http(GOOD, Content_Length="many"), 400),
    "a negative length": (http(GOOD, Content_Length="-5"), 400),
    "a length of 5,000 digits": (http(GOOD, Content_Length="9" * 5000), 400),
    "a length that never comes": (http(GOOD, Content_Length=1000), 400),
    "a length too short": (http(GOOD, Content_Length=5), 400),
    "more than is read": (http(GOOD, Content_Length=10**12), 413),
    "another encoding": (http(GOOD, Transfer_Encoding="gzip"), 400),
    "broken chunks": (http(b"zz\r\nab", Transfer_Encoding="chunked"), 400),
    "a long header": (http(GOOD, X_Long="a" * 300_000), 431),
    "another protocol": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400),
    "no protocol": (b"hello there", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_what_is_no_request_is_answered(send, case):
    content, status = REQUESTS[case]
    found, answer = send(content)
    assert (found, answer.keys()) == (status, {"error"})
    assert answer["error"].endswith(".") or "not JSON" in answer["error"]


def test_a_body_that_is_too_large_is_not_kept(server, send, monkeypatch):
    monkeypatch.setattr(server._rest.adj, "max_request_body_size", 100_000)
    body = b"a" * 3_000_000
    # The client reads its answer though it has sent more than was wanted.
    found, answer = send(http(body))
    assert found == 413 and "100000 bytes" in answer["error"]
    chunk = b"%x\r\n%b\r\n" % (len(body), body)
    # In chunks without an end it is known only as it comes.
    content = http(chunk, Transfer_Encoding="chunked")
    found, answer = send(content)
    assert found == 413 and "100000 bytes" in answer["error"]


def test_chunks_are_joined_and_a_client_may_end_its_half(send):
    body = json.dumps(GOOD).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % letter for letter in body) + b"0\r\n\r\n"
    for content in (http(chunks, Transfer_Encoding="chunked"), http(body)):
        found, answer = send(content)
        assert found == 200 and np.shape(answer["outputs"]) == (1, 16)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=5)
    | st.binary(max_size=5).map(lambda b: {"b64": base64.b64encode(b).decode()}),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["texts", "b64", "a"]), inner, max_size=2)
    ),
    max_leaves=6,
)
NAMES = ("texts", "support_texts", "support_labels", "query_texts", "state")
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "signature_name": st.sampled_from(["embed", "adapt", "predict_tasks", "x", 1]),
        "inputs": VALUES | st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3),
        "instances": VALUES,
    },
)


@fuzz(60)
@given(body=BODIES | VALUES)
def test_any_json_gets_an_answer(send, body):
    found, answer = send(http(json.dumps(body).encode()), ends=False)
    assert found in (200, 400, 404)
    assert found == 200 or isinstance(answer["error"], str)


@fuzz(60)
@given(body=st.binary(max_size=40), is_body=st.booleans())
def test_any_bytes_get_an_answer(send, body, is_body):
    content = http(body) if is_body else body + b"\r\n\r\n"
    if is_body or content.strip():
        assert send(content)[0] in (400, 404, 405)


@pytest.fixture(scope="module")
def call(server):
    """Sends bytes to a method of gRPC and gives the code and what is said."""
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:

        def ask(content, method="PredictionService/Predict"):
            try:
                channel.unary_unary(f"/tensorflow.serving.{method}")(
                    content, timeout=SECONDS, wait_for_ready=True
                )
            except grpc.RpcError as error:
                return error.code().name, error.details()
            return "OK", ""

        yield ask


def predict(tensor, name="texts", **spec):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = spec.get("model", "bot")
    request.model_spec.signature_name = spec.get("signature", "embed")
    request.inputs[name].CopyFrom(tensor)
    return request


def tensor(shape=(1,), dtype="DT_STRING", **values):
    made = tensor_pb2.TensorProto(dtype=types_pb2.DataType.Value(dtype), **values)
    for size in shape:
        made.tensor_shape.dim.add(size=size)
    return made


TENSORS = {
    "no type": (tensor(dtype="DT_INVALID"), "must hold strings, not the type 0"),
    "numbers": (tensor(dtype="DT_FLOAT", float_val=[1]), "strings, not float32s"),
    "no axis": (tensor((), string_val=[b"a"]), "1 axes, not 0"),
    "300 axes": (tensor((1,) * 300, string_val=[b"a"]), "1 axes, not 300"),
    "a negative size": (tensor((-1,), string_val=[b"a"]), "negative size"),
    "a huge size": (tensor((2**62,), string_val=[b"a"]), "too many"),
    "too few": (tensor((3,), string_val=[b"a", b"b"]), "2 values for a shape of 3"),
    "too many": (tensor((1,), string_val=[b"a", b"b"]), "2 values for a shape of 1"),
    "none": (tensor((1,)), "0 values for a shape of 1"),
    "content": (tensor(tensor_content=b"abc"), "strings in string_val"),
    "not UTF-8": (tensor(string_val=[b"\xff"]), "texts must be UTF-8"),
    "blank": (tensor(string_val=[b""]), "texts holds an empty string"),
    "repeated too often": (tensor((10_000,), string_val=[b"a"]), "at most 1000"),
}


@pytest.mark.parametrize("case", TENSORS)
def test_a_tensor_is_refused_in_a_sentence(call, case):
    made, sentence = TENSORS[case]
    code, said = call(predict(made).SerializeToString())
    assert code == "INVALID_ARGUMENT" and sentence in said and "\n" not in said


def test_what_a_call_names_is_there_or_refused(call):
    good = tensor(string_val=[b"a"])
    assert call(predict(good).SerializeToString()) == ("OK", "")
    filtered = predict(good)
    filtered.output_filter.append("others")
    labelled = predict(good)
    labelled.model_spec.version_label = "stable"
    floats = predict(
        tensor((2,), "DT_FLOAT", tensor_content=b"123"), "state", signature="predict"
    )
    for name in ("class_names", "query_texts"):
        floats.inputs[name].CopyFrom(good)
    for asked, code, sentence in (
        (predict(good, model="other"), "NOT_FOUND", "served here is bot"),
        (predict(good, signature="x"), "NOT_FOUND", "no signature 'x'"),
        (predict(good, "other"), "INVALID_ARGUMENT", "inputs are texts"),
        (filtered, "INVALID_ARGUMENT", "no output 'others'"),
        (labelled, "NOT_FOUND", "has a label"),
        (floats, "INVALID_ARGUMENT", "no whole number of float32s"),
    ):
        found, said = call(asked.SerializeToString())
        assert found == code and sentence in said
    assert call(b"\xff\xff")[0] == "INVALID_ARGUMENT"
    assert call(b"", "PredictionService/Regress")[0] == "UNIMPLEMENTED"
    assert call(b"", "ModelService/GetModelStatus")[0] == "NOT_FOUND"
    found, said = call(b"\0" * (100 * 2**20 + 1))
    assert found == "RESOURCE_EXHAUSTED" and "larger than max" in said


@fuzz(60)
@given(
    made=st.builds(
        tensor,
        shape=st.lists(st.integers(-(2**63), 2**63 - 1) | st.just(1), max_size=3),
        dtype=st.sampled_from(["DT_STRING", "DT_FLOAT", "DT_HALF", "DT_VARIANT"]),
        string_val=st.lists(st.binary(max_size=4), max_size=3),
        float_val=st.lists(st.floats(width=32), max_size=3),
        tensor_content=st.binary(max_size=9),
    ),
    signature=st.sampled_from(["embed", "predict", "classify_tasks", ""]),
    garbage=st.binary(max_size=30),
)
def test_any_message_gets_an_answer(call, made, signature, garbage):
    request = predict(made, signature=signature).SerializeToString()
    assert call(request)[0] in ("OK", "INVALID_ARGUMENT")
    assert call(garbage)[0] in ("INVALID_ARGUMENT", "NOT_FOUND")


@pytest.mark.parametrize(
    "begun", [b"", b"\x16\x03\x01garbage", b"POST /v1 HTTP/1.1\r\n"]
)
def test_a_silent_connection_is_closed_in_time(impatient, begun):
    address = ("127.0.0.1", impatient.rest_port)
    with socket.create_connection(address, timeout=SECONDS) as connection:
        connection.sendall(begun)
        start = time.monotonic()
        assert connection.recv(65536) == b""
        assert 0.5 < time.monotonic() - start < 5


@pytest.fixture(scope="module")
def impatient(server):
    folder = server.versions.folder
    with ModelServer(folder, rest_port=0, grpc_port=None, idle_seconds=1) as running:
        yield running
