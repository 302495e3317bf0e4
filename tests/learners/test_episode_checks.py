"""Bad episodes end in one sentence, before any trace, from arrays and data sets."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_episodes

from maml_tf.learners import MAML, EpisodeError, PrototypicalNetwork
from maml_tf.learners.first_batch import first_batch

ONE_HOT = np.eye(2, dtype="float32")


def maml(outputs=2, **compile_arguments):
    base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(outputs)])
    learner = MAML(base, inner_steps=1)
    learner.compile(**compile_arguments)

    def traced(*_):
        raise AssertionError("The step was traced.")

    learner.compute_meta_gradients = traced
    return learner


def changed(part, change):
    def spoil(x, y):
        if part == "y":
            return x, change(y)
        return {**x, part: change(x[part])}, y

    return spoil


SPOILT = {
    "a part is missing": (lambda x, y: ({"support_inputs": y}, y), "query_inputs"),
    "NaN": (
        changed("support_inputs", lambda a: np.full_like(a, np.nan)),
        "support_inputs holds NaN",
    ),
    "one class": (changed("support_targets", np.zeros_like), "one class only"),
    "label 7": (changed("y", lambda a: a + 6), "from 0 to 1, but query targets has 6"),
    "float label": (changed("support_targets", lambda a: a + 9.0), "from 0 to 1"),
    "half labels": (
        changed("support_targets", lambda a: a + 0.5),
        "support_targets holds [01].5, which is no class number",
    ),
    "half targets": (changed("y", lambda a: a + 0.5), "query targets holds [01].5"),
    "text labels": (
        changed("support_targets", lambda a: a.astype(str)),
        "support_targets holds text; number",
    ),
    "one-hot": (
        changed("support_targets", lambda a: ONE_HOT[a]),
        "support_targets is one-hot",
    ),
    "one-hot targets": (changed("y", lambda a: ONE_HOT[a]), "query targets is one-hot"),
    "complex": (
        changed("query_inputs", lambda a: a + 1j),
        "query_inputs holds complex",
    ),
    "text": (
        changed("query_inputs", lambda a: a.astype(str)),
        "query_inputs holds text, but the base learner takes numbers",
    ),
    "width": (
        changed("query_inputs", lambda a: a[..., :3]),
        r"query_inputs has examples of the shape \(3,\), but .* takes \(4,\)",
    ),
    "rank": (
        changed("support_inputs", lambda a: a[..., None, :]),
        r"support_inputs has examples of the shape \(1, 4\)",
    ),
    "no task axis": (
        changed("support_targets", lambda a: a[0]),
        r"support_targets has the shape \(6,\)",
    ),
    "tasks": (changed("query_inputs", lambda a: a[:2]), "same task axis"),
    "tasks of y": (changed("y", lambda a: a[:2]), "same task axis"),
    "examples": (changed("support_targets", lambda a: a[:, :4]), "number of examples"),
    "no queries": (changed("query_inputs", lambda a: a[:, :0]), "number of examples"),
    "no tasks": (lambda x, y: ({k: v[:0] for k, v in x.items()}, y[:0]), "no tasks"),
    "ragged": (
        changed("support_inputs", tf.RaggedTensor.from_tensor),
        "support_inputs is a RaggedTensor; give a dense",
    ),
    "sparse": (
        changed("query_inputs", tf.sparse.from_dense),
        "query_inputs is a SparseTensor; give a dense",
    ),
}
OF_DATA_SETS = [name for name in SPOILT if name not in ("tasks", "tasks of y")]


@pytest.mark.parametrize("name", SPOILT)
def test_arrays(name):
    spoil, message = SPOILT[name]
    x, y = spoil(*make_episodes())
    learner = maml()
    for method in (learner.fit, learner.train_on_batch, learner.evaluate):
        with pytest.raises(EpisodeError, match=message):
            method(x, y)


@pytest.mark.parametrize("name", OF_DATA_SETS)
def test_first_batches(name):
    spoil, message = SPOILT[name]
    episode = spoil(*make_episodes())
    learner = maml()
    for method in (learner.fit, learner.evaluate):
        with pytest.raises(EpisodeError, match=message):
            method(tf.data.Dataset.from_tensors(episode))
    with pytest.raises(EpisodeError, match=message):
        learner.fit(*make_episodes(), validation_data=episode)
    with pytest.raises(EpisodeError, match=message):
        learner.fit(episode for _ in range(1))


@pytest.mark.parametrize(
    ("loss", "targets", "message"),
    [
        ("mse", lambda y: np.zeros((*y.shape, 5)), r"\(5,\) .* predicts \(2,\)"),
        ("binary_crossentropy", lambda y: 3.0 * ONE_HOT[y], "from 0 to 1 for a binary"),
        ("categorical_crossentropy", lambda y: y, "takes one-hot rows of 2"),
    ],
)
def test_targets_that_are_not_their_losss(loss, targets, message):
    x, y = make_episodes()
    x["support_targets"] = targets(x["support_targets"])
    with pytest.raises(EpisodeError, match=message):
        maml(loss=loss).fit(x, targets(y))


def test_what_is_right_for_one_loss_passes():
    x, y = make_episodes()
    keras_binary = keras.losses.BinaryCrossentropy(from_logits=True)
    for outputs, loss, targets in (
        (1, keras_binary, lambda y: y),
        (1, "mse", lambda y: y + 0.25),
        (2, "mse", lambda y: ONE_HOT[y] - 3),
        (2, None, lambda y: y.astype("float32")),
        (2, None, lambda y: y[..., None]),
        (2, None, lambda y: y.astype(bool)),
    ):
        learner = maml(outputs, loss=loss)
        given = {**x, "support_targets": targets(x["support_targets"])}
        with pytest.raises(AssertionError, match="traced"):
            learner.train_on_batch(given, targets(y))


def test_one_output_and_the_default_loss():
    x, y = make_episodes()
    with pytest.raises(EpisodeError, match=r"a single output .* 'mse'"):
        maml(1).fit(x, y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i, t: (i[0], t[0]), "needs two axes at least"),
        (lambda i, t: (["turn on the light"], [0]), "needs two axes"),
        (lambda i, t: (i, t + 5), "from 0 to 1"),
        (lambda i, t: (i[:2], t), "same task axis"),
    ],
)
def test_adapting_by_hand(change, message):
    x, _ = make_episodes()
    given = change(x["support_inputs"], x["support_targets"])
    base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    for learner in (MAML(base), PrototypicalNetwork(base, max_ways=2)):
        with pytest.raises(EpisodeError, match=message):
            learner.adapt(*given)


def test_raw_text_is_sent_through_the_preprocessor():
    from maml_tf.base_learners import create_model

    learner = MAML(create_model(num_layers=1, hidden_dim=8, num_classes=2))
    with pytest.raises(EpisodeError, match=r"base_learner\.preprocessor"):
        learner.adapt([["lights on", "lights off"]], [[0, 1]])


def test_missing_targets_and_bad_weights():
    x, y = make_episodes()
    with pytest.raises(EpisodeError, match="Query targets, y, are missing"):
        maml().fit(x)
    with pytest.raises(EpisodeError, match="sample_weight holds NaN"):
        maml().fit(x, y, sample_weight=np.full(y.shape, np.nan))
    with pytest.raises(EpisodeError, match="sample_weight has the shape"):
        maml().fit(x, y, sample_weight=np.ones((3, 5)))


def numbers(log):
    def read():
        for number in range(3):
            log.append(number)
            yield number

    return read


def test_looking_at_a_stream_takes_nothing_from_it():
    spec = tf.TensorSpec((), tf.int32)
    shared = iter(range(6))
    once = tf.data.Dataset.from_generator(
        lambda: (next(shared) for _ in range(3)), output_signature=spec
    ).prefetch(1)
    first, data = first_batch(once)
    assert first.numpy() == 0
    assert [list(map(int, data)) for _ in range(2)] == [[0, 1, 2], [3, 4, 5]]
    log = []
    again = tf.data.Dataset.from_generator(numbers(log), output_signature=spec)
    again = again.apply(tf.data.experimental.assert_cardinality(3))
    _, data = first_batch(again)
    assert int(data.cardinality()) == 3
    assert [list(map(int, data)) for _ in range(2)] == [[0, 1, 2]] * 2
    assert log == [0, 1, 2] * 2


def test_looking_at_other_data():
    plain = tf.data.Dataset.range(3)
    first, data = first_batch(plain)
    assert first.numpy() == 0 and data is plain
    shuffled = tf.data.Dataset.range(20).shuffle(20, seed=1)
    expected = list(map(int, tf.data.Dataset.range(20).shuffle(20, seed=1)))
    first, data = first_batch(shuffled)
    assert list(map(int, data)) == expected and int(first) == expected[0]
    first, data = first_batch(n for n in range(3))
    assert (first, list(data)) == (0, [0, 1, 2])
    assert first_batch(tf.data.Dataset.range(0))[0] is None


def test_a_query_of_a_class_that_no_support_set_has():
    base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    learner = PrototypicalNetwork(base)
    learner.compile("sgd", run_eagerly=True)
    x, y = make_episodes()
    with pytest.raises(EpisodeError, match="class 1001, but support_targets ends at 1"):
        learner.train_on_batch(x, y + 1000)
    assert np.isfinite(learner.train_on_batch(x, y, return_dict=True)["loss"])
