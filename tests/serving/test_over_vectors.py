"""Learning and answering from kept vectors: the same as from texts, on every way."""

import numpy as np
import pytest
from serving.small_exports import LABELS, QUERIES, SUPPORT, exports, make_prototypical

from maml_tf.serving import (
    NEGATIVE,
    AdaptedState,
    Client,
    RequestError,
    StaleStateError,
)
from maml_tf.serving.learner_transport import LearnerTransport
from maml_tf.serving.quick_transport import QuickTransport
from maml_tf.serving.results import NotOffered, error_from

TEXTS = [*SUPPORT, "how are you", "rain"]
GIVEN = [*LABELS, NEGATIVE, NEGATIVE]


@pytest.fixture(scope="module")
def clients():
    learner = make_prototypical()
    learner(
        {
            "support_inputs": _tokens(learner, SUPPORT),
            "support_targets": np.array([[0, 0, 1, 1]]),
            "query_inputs": _tokens(learner, QUERIES),
        }
    )
    named = LearnerTransport(learner, class_names=True)
    folder = exports("prototypical").folder
    return {
        "folder": Client(folder),
        "quick": Client(QuickTransport(folder)),
        "with names": Client(named),
    }


def _tokens(learner, texts):
    tokens = learner.base_learner.preprocessor(texts)
    return {key: np.asarray(value)[np.newaxis] for key, value in tokens.items()}


@pytest.fixture
def client(request, clients):
    if request.param in clients:
        return clients[request.param]
    running = request.getfixturevalue("server")
    scheme, port = request.param, running.rest_port
    if scheme == "grpc":
        port = running.grpc_port
    return Client(f"{scheme}://127.0.0.1:{port}", "bot")


WAYS = ("folder", "quick", "with names", "http", "grpc")


@pytest.mark.parametrize("client", WAYS, indirect=True)
def test_vectors_teach_what_texts_teach(client):
    wanted = client.examples(TEXTS, GIVEN)
    assert set(TEXTS) <= set(wanted.texts) and wanted.class_names == ["light", "music"]
    vectors = client.embed(wanted.texts)
    learned = client.adapt_vectors(vectors, TEXTS, GIVEN)
    state = client.adapt(TEXTS, GIVEN)
    assert learned.class_names == state.class_names
    assert learned.fingerprint == state.fingerprint == wanted.fingerprint
    np.testing.assert_allclose(learned.values, state.values, atol=1e-5)
    from_texts = client.predict(state, QUERIES)
    from_vectors = client.predict_vectors(learned, client.embed(QUERIES))
    assert from_vectors.intents == from_texts.intents
    np.testing.assert_allclose(
        from_vectors.probabilities, from_texts.probabilities, atol=1e-5
    )
    np.testing.assert_allclose(from_vectors.margins, from_texts.margins, atol=1e-4)


def test_names_that_are_examples_want_a_vector_too(clients):
    wanted = clients["with names"].examples(TEXTS, GIVEN)
    assert {"light", "music"} <= set(wanted.texts)
    of_class = dict(zip(wanted.texts, wanted.numbers, strict=True))
    assert of_class["light"] == of_class["turn on the lamp"] == 0
    assert sorted([of_class["rain"], of_class["how are you"]]) == [2, 3]
    assert len(clients["folder"].examples(TEXTS, GIVEN).texts) == len(TEXTS)


REFUSED = {
    "one too few": (lambda v: v[:-1], "one vector for each text.*6, but has 5"),
    "too short": (lambda v: v[:, :-1], "must be 16 numbers long.*not 15"),
    "NaN": (lambda v: v * np.nan, "example_vectors holds NaN"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("client", ["folder", "http"], indirect=True)
def test_wrong_vectors_are_refused(client, case):
    change, message = REFUSED[case]
    vectors = client.embed(client.examples(TEXTS, GIVEN).texts)
    with pytest.raises(RequestError, match=message):
        client.adapt_vectors(change(vectors), TEXTS, GIVEN)


def test_wrong_states_and_queries_are_refused(clients):
    client = clients["folder"]
    state = client.adapt(TEXTS, GIVEN)
    with pytest.raises(RequestError, match="query_vectors holds no vector"):
        client.predict_vectors(state, np.zeros((0, 16)))
    with pytest.raises(StaleStateError):
        changed = AdaptedState(
            state.values + np.eye(1, len(state.values), 1)[0], [*state.class_names]
        )
        client.predict_vectors(changed, np.zeros((1, 16)))
    with pytest.raises(RequestError, match="two intents or more"):
        client.examples(["a"], ["b"])


def test_what_an_export_does_not_offer_is_said(server):
    maml = exports("maml")
    for client in (Client(maml.folder), Client(LearnerTransport(maml.learner))):
        with pytest.raises(NotOffered, match="no signature examples"):
            client.examples(SUPPORT, LABELS)
    rest = Client(f"http://127.0.0.1:{server.rest_port}", "bot")
    with pytest.raises(NotOffered, match="no signature"):
        rest._repeat("teach", {})
    with pytest.raises(NotOffered):
        Client(maml.folder, batched=True).examples(SUPPORT, LABELS)
    said = 'Serving signature key "examples" not found.'
    assert isinstance(error_from("FAILED_PRECONDITION", said), NotOffered)
