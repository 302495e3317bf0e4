"""The export of a language model: asked from a folder, over REST and over gRPC."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from serving.small_exports import (
    LABELS,
    SUPPORT,
    exports,
    language_client,
    language_export,
    make_language_learner,
)
from tensorflow.core.protobuf import saved_model_pb2

from maml_tf.generation import Generator, Sampling
from maml_tf.generation.conversations import ConversationEncoder
from maml_tf.serving import (
    AdaptedState,
    Client,
    RequestError,
    StaleStateError,
    export_language_model,
)
from maml_tf.serving.language_model import ServedLanguageModel

requests = pytest.importorskip("requests")
pytest.importorskip("waitress")
pytest.importorskip("tensorflow_serving")

DIALOGUES = [["hi", "aaaa"], ["you?", "aaaa", "so", "aa"]]
TURNS = ["hm", "aa", "you?"]
REPLIES = ["aaaa", "a long one"]
LENGTH = 6
SAMPLED = {"temperature": 1.5, "top_k": 40, "top_p": 0.95, "seed": 11}
SERVE = """
import sys
from maml_tf.serving.model_server import ModelServer
with ModelServer(sys.argv[1], rest_port=0, grpc_port=0, poll_seconds=60) as server:
    print(server.rest_port, server.grpc_port, "keras_nlp" in sys.modules, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def learner():
    return language_export().learner


@pytest.fixture(scope="module")
def version():
    return language_export().folder


@pytest.fixture(scope="module")
def addresses(version):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(version.parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        rest, grpc, has_keras_nlp = process.stdout.readline().split()
        assert has_keras_nlp == "False"
        yield f"http://127.0.0.1:{rest}", f"grpc://127.0.0.1:{grpc}"
        process.stdin.close()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()


@pytest.fixture(scope="module")
def clients(addresses):
    rest, grpc = addresses
    made = {
        "folder": language_client(),
        "rest": Client(rest, "persona"),
        "grpc": Client(grpc, "persona", version=1),
        "rest with tasks": Client(rest, "persona", batched=True),
        "grpc with tasks": Client(grpc, "persona", batched=True),
    }
    yield made
    for name, client in made.items():
        if name != "folder":  # which other tests go on asking
            client.close()


WAYS = ["folder", "rest", "grpc", "rest with tasks", "grpc with tasks"]


@pytest.fixture(scope="module")
def expected(learner):
    """Fast weights, texts and scores in Python, without any of what is exported."""
    base, loop = learner.base_learner, learner.inner_loop
    encoder = ConversationEncoder(base.tokenizer, base.chat_template)

    def inputs(encoded):
        lengths = encoded.token_ids.row_lengths()
        return {
            "token_ids": encoded.token_ids.to_tensor()[tf.newaxis],
            "padding_mask": tf.cast(tf.sequence_mask(lengths), tf.int32)[tf.newaxis],
        }

    rows = [[*turns, "", ""][:4] for turns in DIALOGUES]
    taught = encoder.dialogues(tf.constant(rows))
    fast = learner.adapt(inputs(taught), taught.own.to_tensor()[tf.newaxis])
    fast = {
        key: tf.cast(tf.cast(value, tf.float16), tf.float32)
        for key, value in fast.items()
    }
    values = [fast[key][0] for key in sorted(fast)]
    prompt = encoder.prompt(tf.constant(TURNS))
    texts = [
        Generator(base)
        .adapted(
            loop.functional,
            weights,
            loop.constants(),
            prompt,
            sampling,
            max_new_tokens=LENGTH,
        )
        .texts.numpy()[0]
        .decode()
        for weights, sampling in (
            (values, Sampling()),
            (values, Sampling(**SAMPLED)),
            (loop.initial(), Sampling()),
        )
    ]
    asked = encoder.with_replies(tf.constant(TURNS), tf.constant(REPLIES))
    found = learner.predict_adapted(fast, inputs(asked))[0]
    return *texts, tf.reduce_sum(asked.own.to_tensor() * found, -1).numpy()


@pytest.mark.parametrize("way", WAYS)
def test_every_way_writes_and_scores_as_python_does(clients, expected, way):
    client = clients[way]
    greedy, sampled, untaught, scores = expected
    state = client.adapt_dialogues(DIALOGUES)
    stored = state.to_bytes()
    # Two bytes a number, a header and a few bytes that say so.
    assert len(stored) < 2 * len(state.values) + 64
    state = AdaptedState.from_bytes(stored)
    asked = {"max_new_tokens": LENGTH}
    assert client.generate(state, TURNS, **asked) == greedy
    assert client.generate(state, TURNS, **asked, **SAMPLED) == sampled
    assert client.generate(None, TURNS, **asked) == untaught
    assert len({greedy, sampled, untaught}) == 3
    found = client.score(state, TURNS, REPLIES)
    np.testing.assert_allclose(found, scores, rtol=1e-4)
    assert greedy.startswith("aa")
    stopped = client.generate(state, TURNS, **asked, stops=["z", greedy[1]])
    assert stopped == greedy[: greedy.index(greedy[1])]


def test_tasks_of_one_request_do_not_meet(clients, addresses):
    client = clients["grpc"]
    taught = [DIALOGUES, [["hi", "no."]]]
    states = [client.adapt_dialogues(dialogues).values for dialogues in taught]

    def ask(signature, rows):
        answer = requests.post(
            f"{addresses[0]}/v1/models/persona:predict",
            json={"signature_name": signature, "instances": rows},
        )
        return answer.json()["predictions"]

    def filled(turns):
        return [*turns, "", "x", "x"][:4]  # what stands behind an end is not read

    rows = [
        {"dialogues": [filled(t) for t in [*dialogues, [""], ["x"] * 4]][:3]}
        for dialogues in ([*DIALOGUES, [""]], [*taught[1], [""], [""]])
    ]
    found = ask("adapt_tasks", rows)
    np.testing.assert_allclose(found, states, atol=1e-3)
    asked = [
        {"state": state.tolist(), "turns": turns, "replies": replies}
        for state, turns, replies in (
            (states[0], [*TURNS, ""], ["aaaa", "", ""]),
            (states[1], ["so", "", "x", "x"], ["no.", "aa", ""]),
        )
    ]
    scores = ask("score_tasks", asked)
    first = client.score(AdaptedState(states[0], []), TURNS, ["aaaa"])
    second = client.score(AdaptedState(states[1], []), ["so"], ["no.", "aa"])
    np.testing.assert_allclose(scores[0], [first[0], 0], rtol=1e-3)
    np.testing.assert_allclose(scores[1], second, rtol=1e-3)


def test_rest_as_curl_sees_it(addresses):
    url = f"{addresses[0]}/v1/models/persona"
    sampling = {"temperature": 0, "top_k": 0, "top_p": 1, "seed": 0}
    inputs = {"state": [0], "turns": ["hi"], "stops": [], "max_new_tokens": 3}
    body = {"signature_name": "generate", "inputs": {**inputs, **sampling}}
    answer = requests.post(f"{url}:predict", data=json.dumps(body))
    assert answer.status_code == 200 and len(answer.json()["outputs"]) == 1
    body["inputs"]["seed"] = 0.5
    answer = requests.post(f"{url}:predict", data=json.dumps(body))
    assert answer.status_code == 400 and "seed has to be a whole" in answer.text
    body["inputs"]["seed"] = [0]
    answer = requests.post(f"{url}:predict", data=json.dumps(body))
    assert answer.status_code == 400 and "seed has to be a number" in answer.text
    described = requests.get(f"{url}/metadata").json()["metadata"]["signature_def"]
    assert described["signature_def"]["generate"]["inputs"]["seed"]["dtype"] == (
        "DT_INT32"
    )
    page = requests.get(addresses[0]).text
    assert "generate" in page and "max_new_tokens" in page


@pytest.mark.parametrize("way", ["folder", "rest", "grpc", "grpc with tasks"])
def test_every_way_refuses_with_a_sentence(clients, way):
    client = clients[way]
    with pytest.raises(RequestError, match="needs turns of both sides"):
        client.adapt_dialogues([["hi"]])
    with pytest.raises(RequestError, match=r"dialogues\[1\] has an empty turn, number"):
        client.adapt_dialogues([["hi", "yes"], ["a", ""]])
    with pytest.raises(RequestError, match=r"an empty string, dialogues\[1\]\[0\]"):
        client.adapt_dialogues([["hi", "yes"], [" ", "a"]])
    with pytest.raises(RequestError, match="2, an even number"):
        client.generate(None, ["a", "b"])
    with pytest.raises(RequestError, match="takes 203 tokens; at most 128 are read"):
        client.generate(None, ["a" * 190], max_new_tokens=10)
    with pytest.raises(RequestError, match="seed has to be a whole number, not 'x'"):
        client.generate(None, ["a"], seed="x")
    with pytest.raises(RequestError, match="top_p must be between 0 and 1"):
        client.generate(None, ["a"], top_p=1.5)
    values = client.adapt_dialogues(DIALOGUES).values.copy()
    values[1] += 1
    with pytest.raises(StaleStateError, match="another version of this model"):
        client.score(AdaptedState(values, []), ["a"], ["b"])
    with pytest.raises(RequestError, match=r"This is a language model, .* classify"):
        client.classify(SUPPORT, LABELS, ["a"])
    with pytest.raises(RequestError, match="This is a language model"):
        client.adapt(SUPPORT, LABELS)


def test_a_model_of_intents_writes_nothing(server):
    clients = [
        Client(exports("prototypical").folder),
        Client(f"http://127.0.0.1:{server.rest_port}", "bot"),
        Client(f"grpc://127.0.0.1:{server.grpc_port}", "bot"),
    ]
    for client in clients:
        for ask in (
            lambda client=client: client.generate(None, ["hi"]),
            lambda client=client: client.adapt_dialogues(DIALOGUES),
        ):
            with pytest.raises(RequestError, match="This model learns intents from"):
                ask()
        client.close()


def test_the_layout_is_that_of_other_exports(version):
    card = json.loads((version / "model_card.json").read_text())
    assert card["language_model"] and card["state_dtype"] == "float16"
    assert card["state_bytes"] == 2 * 2 * 16 * (2 * 4 + 4 * 3)
    assert set(card["warm_up"]) == set(card["signatures"])
    config = (version.parent.parent / "models.config").read_text()
    assert 'name: "persona"' in config


def test_no_operation_asks_for_xla(version):
    content = (version / "saved_model.pb").read_bytes()
    library = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0].graph_def
    operations = {n.op for f in library.library.function for n in f.node_def}
    assert "While" in operations
    assert not any(name.startswith("Xla") for name in operations)


def test_what_is_no_language_model_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"PrototypicalNetwork .* is no learner over a"
    ):
        export_language_model(exports("prototypical").learner, tmp_path)
    learner = make_language_learner()
    with pytest.raises(ValueError, match="state_dtype must be one of float16, float32"):
        ServedLanguageModel(learner, state_dtype="int8")
    with pytest.raises(ValueError, match="export_language_model"):
        learner.export(tmp_path)
    assert not any(tmp_path.iterdir())
