"""What a server shows of itself: a page, its health, its metrics."""

import html
import json
import re

import pytest

from maml_tf.serving import metrics
from maml_tf.serving.served_versions import ServedVersions

requests = pytest.importorskip("requests")
pytest.importorskip("werkzeug")


@pytest.fixture(scope="module")
def get(server):
    def fetch(path):
        return requests.get(f"http://127.0.0.1:{server.rest_port}{path}", timeout=20)

    return fetch


def test_the_page_says_what_is_served_and_its_example_works(get, server):
    answer = get("/")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    text = html.unescape(answer.text)
    for part in (
        "The model bot",
        "PrototypicalNetwork",
        "any number",
        "classify_tasks",
        "state: float32 […]",
        "AVAILABLE",
        "/metrics",
    ):
        assert part in text
    url, body = re.search(r"curl (\S+) -d '(.*?)'</pre>", text, re.DOTALL).groups()
    assert url == f"http://127.0.0.1:{server.rest_port}/v1/models/bot:predict"
    found = requests.post(url, data=body, timeout=20).json()["outputs"]
    assert found["class_names"] == ["light", "music"]


def test_health(get):
    answer = get("/health")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "model": "bot", "version": 1}


def test_metrics_count_answers_over_both_interfaces(get, server):
    grpc = pytest.importorskip("grpc")
    pytest.importorskip("prometheus_client")

    def value(line):
        found = re.search(rf"^{re.escape(line)} (\S+)$", get("/metrics").text, re.M)
        return float(found.group(1)) if found else 0.0

    lines = [
        'maml_tf_answers_total{call="predict",code="400",interface="rest"}',
        'maml_tf_answers_total{call="unknown",code="404",interface="rest"}',
        'maml_tf_answers_total{call="status",code="NOT_FOUND",interface="grpc"}',
        'maml_tf_answer_seconds_count{call="predict",interface="rest"}',
        'maml_tf_signature_seconds_count{signature="embed"}',
    ]
    before = [value(line) for line in lines]
    predict = f"http://127.0.0.1:{server.rest_port}/v1/models/bot:predict"
    requests.post(predict, data="no JSON", timeout=20)
    good = {"signature_name": "embed", "inputs": ["a"]}
    assert requests.post(predict, json=good, timeout=20).status_code == 200
    get("/nowhere")
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        method = channel.unary_unary("/tensorflow.serving.ModelService/GetModelStatus")
        with pytest.raises(grpc.RpcError):
            method(b"", timeout=20)
    after = [value(line) for line in lines]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 1, 2, 1]
    assert value("maml_tf_served_version") == 1
    assert value("process_resident_memory_bytes") > 1e6


def test_without_a_version_and_without_prometheus_it_says_so(monkeypatch, tmp_path):
    from werkzeug.test import Client

    from maml_tf.serving.rest_service import RestService

    monkeypatch.setattr(metrics, "prometheus", None)
    client = Client(RestService(ServedVersions(tmp_path, "bot"), metrics.Metrics()))
    health = client.get("/health")
    assert (health.status_code, json.loads(health.data)["status"]) == (
        503,
        "no version",
    )
    shown = client.get("/metrics")
    assert shown.status_code == 404
    assert "prometheus_client; it comes with" in json.loads(shown.data)["error"]
    assert client.get("/").status_code == 200
