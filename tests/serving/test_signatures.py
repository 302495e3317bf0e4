"""What the signatures answer, and what they refuse."""

import numpy as np
import pytest
import tensorflow as tf
from serving.small_exports import LABELS, QUERIES, SUPPORT, exports

from maml_tf.evaluation import Calibration
from maml_tf.serving import load_signatures
from maml_tf.serving.signatures import ServedLearner

pytestmark = pytest.mark.usefixtures("graphs_as_traced")

EMPTY: list[str] = []


@pytest.fixture(scope="module")
def served():
    loaded = {}

    def load(kind):
        if kind not in loaded:
            loaded[kind] = load_signatures(exports(kind).folder)
        return loaded[kind]

    return load


def strings(values):
    return tf.constant(values, tf.string)


def request(support=SUPPORT, labels=LABELS, queries=QUERIES):
    return {
        "support_texts": strings(support),
        "support_labels": strings(labels),
        "query_texts": strings(queries),
    }


def support_of(given):
    return {key: value for key, value in given.items() if key != "query_texts"}


@pytest.mark.parametrize("kind", ["prototypical", "maml"])
def test_predict_from_a_state_equals_classify(served, kind):
    signatures = served(kind)
    whole = signatures["classify"](**request())
    state = signatures["adapt"](**support_of(request()))
    parts = signatures["predict"](**state, query_texts=strings(QUERIES))
    assert state["state"].dtype == tf.float32 and state["state"].shape.rank == 1
    assert parts.keys() == whole.keys()
    np.testing.assert_allclose(
        parts["probabilities"], whole["probabilities"], atol=1e-5
    )
    for key in ("intents", "in_scope", "class_names"):
        np.testing.assert_array_equal(parts[key], whole[key])
    default = signatures["serving_default"](**request())
    np.testing.assert_array_equal(default["intents"], whole["intents"])


def test_in_scope_follows_its_rule(served):
    answer = served("prototypical")["classify"](**request())
    top = answer["probabilities"].numpy().max(-1)
    np.testing.assert_array_equal(answer["in_scope"], (2 * top - 1) / 1 >= 0.5)


def test_a_calibration_makes_probabilities_and_scope():
    learner = exports("prototypical").learner
    texts = request()
    plain = ServedLearner(learner).classify(*texts.values())["probabilities"].numpy()
    # Logits are the softmax' logarithm but for one number a row, which cancels.
    flat = plain**0.5 / (plain**0.5).sum(axis=-1, keepdims=True)
    for threshold, scope in ((-1e6, True), (1e6, False)):
        served = ServedLearner(learner, calibration=Calibration(2.0, threshold))
        answer = served.classify(*texts.values())
        np.testing.assert_allclose(answer["probabilities"], flat, rtol=1e-4)
        assert set(answer["in_scope"].numpy()) == {scope}
    forced = ServedLearner(learner, None, 0.0, Calibration(2.0, 1e6))
    assert forced.classify(*texts.values())["in_scope"].numpy().all()


def test_embed_gives_the_encoders_vectors(served):
    encoder = exports("prototypical").learner.base_learner
    vectors = served("prototypical")["embed"](texts=strings(QUERIES))["vectors"]
    expected = encoder(encoder.preprocessor(QUERIES))
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_many_texts_learn_and_answer_as_one_batch_of_all_would(served):
    learner, signatures = exports("prototypical").learner, served("prototypical")
    encoder = learner.base_learner
    words = ["lamp", "song", "kitchen", "turn", "off", "play", "please"]
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(words, n)) for n in random.integers(1, 20, 150)]
    labels = [["light", "music", "rest"][n % 3] for n in range(150)]
    vectors = encoder(encoder.preprocessor(texts)).numpy()
    found = signatures["embed"](texts=strings(texts))["vectors"]
    np.testing.assert_allclose(found, vectors, atol=1e-5)
    numbers = tf.constant([[n % 3 for n in range(150)]])
    x = {key: value[None] for key, value in encoder.preprocessor(texts).items()}
    logits = learner.predict_adapted(learner.adapt(x, numbers), x)[0]
    for answer in (
        signatures["classify"](**request(texts, labels, texts)),
        signatures["predict"](
            **signatures["adapt"](**support_of(request(texts, labels))),
            query_texts=strings(texts),
        ),
    ):
        expected = tf.nn.softmax(logits)
        np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["prototypical", "maml"])
def test_a_task_axis_changes_no_answer(served, kind):
    signatures = served(kind)
    other = ["a", "b", "c", ""]
    # The second list of each is shorter: it ends at its first empty string, whatever
    # a batching server fills it up with behind.
    rows = {
        "support_texts": strings([[*SUPPORT, ""], ["x", "y", "z", "", "x"]]),
        "support_labels": strings([[*LABELS, ""], [*other, "a"]]),
        "query_texts": strings([QUERIES, ["y", "", "y"]]),
    }
    together = signatures["classify_tasks"](**rows)
    alone = [
        signatures["classify"](**request()),
        signatures["classify"](**request(["x", "y", "z"], other[:3], ["y"])),
    ]
    state = signatures["adapt_tasks"](**support_of(rows))
    # As a batching server would fill up the smaller state.
    state["state"] = tf.pad(state["state"], [[0, 0], [0, 3]], constant_values=1.0)
    split = signatures["predict_tasks"](**state, query_texts=rows["query_texts"])
    for answer in (together, split):
        for task, (one, queries, classes) in enumerate(
            zip(alone, (3, 1), (2, 3), strict=True)
        ):
            np.testing.assert_allclose(
                answer["probabilities"][task, :queries, :classes],
                one["probabilities"],
                atol=1e-5,
            )
            np.testing.assert_array_equal(
                answer["intents"][task, :queries], one["intents"]
            )
            np.testing.assert_array_equal(
                answer["class_names"][task, :classes], one["class_names"]
            )
        assert answer["class_names"].numpy()[0, 2] == b""
        assert (answer["probabilities"].numpy()[1, 1:] == 0).all()


BAD = {
    "no support": (request(EMPTY, EMPTY), "two intents or more and has 0"),
    "one class": (request(labels=["a"] * 4), "two intents or more and has 1"),
    "empty text": (request(["", "b", "c", "d"]), "support_texts holds an empty"),
    "nothing visible": (request(["\u200b \n", "b", "c", "d"]), "holds an empty string"),
    "empty label": (request(labels=["", "b", "c", "d"]), "support_labels holds an"),
    "empty query": (request(queries=[" "]), "query_texts holds an empty string"),
    "no query": (request(queries=EMPTY), "query_texts holds no text"),
    "counts": (request(labels=LABELS[:3]), "there are 3 labels and 4 texts"),
    "not UTF-8": (request([b"\xff", b"b", b"c", b"d"]), "support_texts must be UTF-8"),
    "label not UTF-8": (
        request(labels=[b"a", b"\xed\xa0\x80", b"a", b"b"]),
        "support_labels must be UTF-8",
    ),
    "too many": (request(["a"] * 10_000, ["a", "b"] * 5_000), "has 10000 examples"),
    "too many queries": (request(queries=["a"] * 1001), "1001 entries; at most 1000"),
    "too long": (request(queries=["a" * 10_001]), "a string of 10001 bytes"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_request_gets_one_sentence(served, case):
    given, sentence = BAD[case]
    signatures = served("prototypical")
    with pytest.raises(tf.errors.InvalidArgumentError, match=sentence):
        signatures["classify"](**given)
    if "query" not in sentence and "queries" not in case and case != "too long":
        with pytest.raises(tf.errors.InvalidArgumentError, match=sentence):
            signatures["adapt"](**support_of(given))


def test_more_classes_than_the_model_has_are_refused(served):
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 4 intents"):
        served("maml")["classify"](**request([*"abcde"], [*"abcde"]))


def spoiled(state, place, value):
    values = state["state"].numpy().copy()
    values[place] = value
    return {**state, "state": tf.constant(values)}


SPOIL = {
    "NaN": (lambda s: spoiled(s, 10, np.nan), "NaN or infinity"),
    "NaN header": (lambda s: spoiled(s, 0, np.nan), "NaN or infinity"),
    "infinite size": (lambda s: spoiled(s, 5, np.inf), "NaN or infinity"),
    "other version": (lambda s: spoiled(s, 2, 1.0), "another version of this model"),
    "other format": (lambda s: spoiled(s, 0, 9.0), "none that adapt returned"),
    "empty": (lambda s: {**s, "state": tf.zeros([0])}, "none that adapt returned"),
    "cut short": (lambda s: {**s, "state": s["state"][:-1]}, "is not whole"),
    "wrong length": (lambda s: spoiled(s, 5, 60_000.0), "is not whole"),
    "names swapped": (
        lambda s: {**s, "class_names": s["class_names"][::-1]},
        "class_names must be those",
    ),
    "one name gone": (
        lambda s: {**s, "class_names": s["class_names"][:1]},
        "class_names must be those",
    ),
}


@pytest.mark.parametrize("case", SPOIL)
def test_a_bad_state_gets_one_sentence(served, case):
    spoil, sentence = SPOIL[case]
    signatures = served("prototypical")
    state = spoil(signatures["adapt"](**support_of(request())))
    with pytest.raises(tf.errors.InvalidArgumentError, match=sentence):
        signatures["predict"](**state, query_texts=strings(QUERIES))
    rows = {key: value[tf.newaxis] for key, value in state.items()}
    if case != "empty":
        with pytest.raises(tf.errors.InvalidArgumentError, match="Task 0: "):
            signatures["predict_tasks"](**rows, query_texts=strings([QUERIES]))


def test_a_state_of_another_model_is_refused(served):
    state = served("maml")["adapt"](**support_of(request()))
    with pytest.raises(tf.errors.InvalidArgumentError, match="another version"):
        served("prototypical")["predict"](**state, query_texts=strings(QUERIES))


def test_tasks_are_counted_and_named(served):
    signatures = served("prototypical")
    rows = {
        "support_texts": strings([SUPPORT] * 2),
        "support_labels": strings([LABELS, ["a"] * 4]),
        "query_texts": strings([QUERIES] * 2),
    }
    with pytest.raises(tf.errors.InvalidArgumentError, match="Task 1: The support set"):
        signatures["classify_tasks"](**rows)
    rows["query_texts"] = rows["query_texts"][:1]
    with pytest.raises(tf.errors.InvalidArgumentError, match="same number of tasks"):
        signatures["classify_tasks"](**rows)
    with pytest.raises(tf.errors.InvalidArgumentError, match="holds no task"):
        signatures["classify_tasks"](**{k: v[:0] for k, v in rows.items()})
