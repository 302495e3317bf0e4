"""A broken task neither reaches the meta-gradient nor goes unnoticed."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_episodes

from maml_tf.learners import MAML, PrototypicalNetwork, Reptile
from maml_tf.learners.dropped_tasks import TrainingDivergedError


def network(outputs=2):
    keras.utils.set_random_seed(3)
    layers = [
        keras.layers.Dense(3, activation="tanh", name="body"),
        keras.layers.Dense(outputs, name="top"),
    ]
    return keras.Sequential([keras.Input((4,)), *layers])


def squared(targets, predictions):
    wanted = tf.one_hot(tf.cast(targets, tf.int32), 2)
    return tf.reduce_mean(tf.square(wanted - predictions), axis=-1)


def maml(**options):
    return MAML(network(), inner_steps=2, inner_learning_rate=0.2, **options)


LEARNERS = {
    "unrolled": maml,
    "recursive": lambda: maml(meta_gradient="exact_recursive"),
    "first_order": lambda: maml(first_order=True),
    "implicit": lambda: maml(meta_gradient="implicit"),
    "anil": lambda: maml(fast_weights="head"),
    "shared_top": lambda: maml(fast_weights=lambda path: "body" in path),
    "reptile": lambda: Reptile(network(), inner_steps=2, inner_learning_rate=0.2),
    "prototypical": lambda: PrototypicalNetwork(network(3), max_ways=2),
}


def gradients(learner, x, y):
    learner.compile(keras.optimizers.SGD(1.0))
    function = tf.function(
        lambda: learner.compute_meta_gradients(x, y, None)[2], autograph=False
    )
    return [tf.convert_to_tensor(g).numpy() for g in function()]


@pytest.mark.parametrize("name", LEARNERS)
def test_the_meta_gradient_is_the_mean_over_the_whole_tasks(name):
    x, y = make_episodes(tasks=3)
    whole = {key: value[[0, 2]] for key, value in x.items()}
    expected = gradients(LEARNERS[name](), whole, y[[0, 2]])
    spoilt = {key: value.copy() for key, value in x.items()}
    spoilt["support_inputs"][1, 0] = np.nan
    learner = LEARNERS[name]()
    found = gradients(learner, tf.nest.map_structure(tf.constant, spoilt), y)
    assert float(learner.dropped_tasks.result()) == 1
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["unrolled", "recursive"])
@pytest.mark.parametrize("part", ["support_inputs", "query_inputs"])
def test_overflow_is_dropped_as_nan_is(name, part):
    x, y = make_episodes(tasks=3)
    make = {
        "unrolled": lambda: MAML(
            linear(), inner_steps=2, inner_learning_rate=0.1, inner_loss=squared
        ),
        "recursive": lambda: MAML(
            linear(),
            inner_steps=2,
            inner_learning_rate=0.1,
            inner_loss=squared,
            meta_gradient="exact_recursive",
        ),
    }[name]

    def linear():
        keras.utils.set_random_seed(3)
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])

    def outer(x, y):
        learner = make()
        learner.compile(keras.optimizers.SGD(1.0), loss=squared)
        function = tf.function(
            lambda: learner.compute_meta_gradients(x, y, None)[2], autograph=False
        )
        return [g.numpy() for g in function()], float(learner.dropped_tasks.result())

    expected, none = outer({key: v[[0, 2]] for key, v in x.items()}, y[[0, 2]])
    spoilt = {key: value.copy() for key, value in x.items()}
    spoilt[part][1] *= 1e25  # finite numbers whose squares are not
    found, dropped = outer(tf.nest.map_structure(tf.constant, spoilt), y)
    assert (none, dropped) == (0, 1)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


def test_too_many_broken_tasks_stop_training():
    x, y = make_episodes(tasks=4)
    x["support_inputs"][:3] = np.nan
    data = tf.data.Dataset.from_tensors((x, y)).repeat(3)
    before = (learner := maml()).get_weights()
    with pytest.raises(TrainingDivergedError, match="3 of 4 tasks"):
        learner.fit(data, verbose=0)
    assert all(np.isfinite(w).all() for w in learner.get_weights())
    patient = maml(largest_dropped_share=0.8)
    logs = patient.fit(data, verbose=0).history
    assert logs["dropped_tasks"] == [9.0]
    assert np.isfinite(logs["loss"]).all()
    after = patient.get_weights()
    assert any((a != b).any() for a, b in zip(before, after, strict=True))


def test_a_bad_share_is_refused():
    with pytest.raises(ValueError, match="largest_dropped_share"):
        maml(largest_dropped_share=2)


def test_a_gradient_too_large_for_adam_to_square_changes_nothing():
    x, y = make_episodes(tasks=3)
    learner = MAML(network(), inner_steps=1, inner_learning_rate=1e-30)
    learner.compile(keras.optimizers.Adam(0.1), loss=squared)
    learner.train_on_batch(x, y)
    before = learner.get_weights()
    top = learner.base_learner.get_layer("top")
    kernel = top.kernel.numpy()
    top.kernel.assign(kernel * 1e15)  # squared in the loss: finite, and so is its slope
    with pytest.raises(TrainingDivergedError, match="3 of 3 tasks"):
        learner.train_on_batch(x, y)
    assert 1e25 < float(learner.evaluate(x, y, verbose=0)[0]) < np.inf
    top.kernel.assign(kernel)
    learner.train_on_batch(x, y)
    after = learner.get_weights()
    assert all(np.isfinite(weight).all() for weight in after)
    assert any(np.any(a != b) for a, b in zip(after, before, strict=True))
