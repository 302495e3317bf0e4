"""Regularisers and `add_loss` of the base learner count in the inner and outer loss."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_episodes

from maml_tf.inner_loop import GradientDescent
from maml_tf.inner_loop.meta_gradients import ExactRecursive, Implicit
from maml_tf.learners import MAML, ImplicitMAML, MAMLPlusPlus, Reptile

pytestmark = pytest.mark.usefixtures("float64")

# Keras rounds the factors of its regularisers to float32; these are exact there.
DECAY, ACTIVITY, ADDED, RATE = 1 / 16, 1 / 32, 0.07, 0.3


@keras.saving.register_keras_serializable(package="tests")
class AddsLoss(keras.layers.Layer):
    def call(self, inputs):
        self.add_loss(ADDED * keras.ops.mean(keras.ops.square(inputs)))
        return inputs


def network():
    keras.utils.set_random_seed(0)
    decay = keras.regularizers.L2(DECAY)
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, activation="tanh", kernel_regularizer=decay),
            AddsLoss(),
            keras.layers.Dense(2, activity_regularizer=keras.regularizers.L2(ACTIVITY)),
        ]
    )


def episode():
    x, y = make_episodes(dtype="float64")
    return tf.nest.map_structure(tf.constant, x), tf.constant(y)


def loss_at(weights, inputs, labels):
    """The loss with all that is added but weight regularisers, written out."""
    kernel, bias, top, shift = weights
    hidden = tf.tanh(inputs @ kernel + bias)
    logits = hidden @ top + shift
    picked = tf.gather(tf.nn.log_softmax(logits), labels, batch_dims=1)
    added = ADDED * tf.reduce_mean(hidden**2)
    activity = ACTIVITY * tf.reduce_sum(logits**2) / tf.cast(len(labels), logits.dtype)
    return added + activity - tf.reduce_mean(picked)


def expected(weights, steps, first_order=False, fast_from=0):
    """Loss and meta-gradient of MAML by nested tapes over one task at a time."""
    x, y = episode()
    with tf.GradientTape() as outer:
        outer.watch(weights)
        total = 0.0
        for task in range(len(y)):
            shared, fast = weights[:fast_from], weights[fast_from:]
            for _ in range(steps):
                with tf.GradientTape() as inner:
                    inner.watch(fast)
                    every = [*shared, *fast]
                    inputs, labels = x["support_inputs"][task], x["support_targets"]
                    loss = loss_at(every, inputs, labels[task])
                    loss += DECAY * tf.reduce_sum(every[0] ** 2)
                found = inner.gradient(loss, fast)
                if first_order:
                    found = [tf.stop_gradient(g) for g in found]
                fast = [w - RATE * g for w, g in zip(fast, found, strict=True)]
            every = [*shared, *fast]
            total += loss_at(every, x["query_inputs"][task], y[task])
        loss = total / len(y) + DECAY * tf.reduce_sum(weights[0] ** 2)
    return loss, outer.gradient(loss, weights)


def found(learner, way="graph"):
    learner.compile(keras.optimizers.SGD(1.0))
    x, y = episode()

    def compute():
        loss, _, gradients = learner.compute_meta_gradients(x, y, None)
        return loss, [tf.convert_to_tensor(g) for g in gradients]

    if way != "eager":
        compute = tf.function(compute, jit_compile=way == "xla", autograph=False)
    return compute()


def assert_equal(got, wanted):
    np.testing.assert_allclose(got[0], wanted[0], rtol=1e-12)
    for one, other in zip(got[1], wanted[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize(
    ("options", "way"),
    [
        ({}, "graph"),
        ({}, "eager"),
        ({}, "xla"),
        ({"vectorized": False}, "graph"),
        ({"meta_gradient": ExactRecursive()}, "graph"),
        ({"meta_gradient": "first_order"}, "graph"),
    ],
    ids=str,
)
def test_maml_counts_them_at_the_fast_weights(options, way):
    learner = MAML(network(), inner_steps=2, inner_learning_rate=RATE, **options)
    weights = [tf.constant(v.numpy()) for v in learner.trainable_variables]
    wanted = expected(weights, 2, options.get("meta_gradient") == "first_order")
    assert_equal(found(learner, way), wanted)


def test_layers_that_run_once_a_task_count_in_the_outer_loss():
    base = network()
    learner = MAML(base, inner_steps=2, inner_learning_rate=RATE, fast_weights="head")
    assert learner.inner_loop.functional.split.shares
    weights = [tf.constant(v.numpy()) for v in base.trainable_variables]
    loss, gradients = found(learner)
    places = map(id, learner.trainable_variables)
    by_variable = dict(zip(places, gradients, strict=True))
    gradients = [by_variable[id(v)] for v in base.trainable_variables]
    assert_equal((loss, gradients), expected(weights, 2, fast_from=2))


def test_reptile_moves_to_where_they_lead():
    learner = Reptile(network(), inner_steps=2, update_rule=GradientDescent(RATE))
    weights = [tf.constant(v.numpy()) for v in learner.trainable_variables]
    maml = MAML(network(), inner_steps=2, inner_learning_rate=RATE)
    x, _ = episode()
    ends = maml.adapt(x["support_inputs"], x["support_targets"], training=True)
    moves = [
        w - tf.reduce_mean(end, axis=0)
        for w, end in zip(weights, ends.values(), strict=True)
    ]
    loss = expected(weights, 2)[0] - DECAY * tf.reduce_sum(weights[0] ** 2)
    assert_equal(found(learner), (loss, moves))


def test_the_implicit_gradient_is_that_of_the_regularised_minimum():
    learner = ImplicitMAML(
        network(),
        inner_steps=600,
        inner_learning_rate=0.1,
        meta_gradient=Implicit(proximal=1.0, conjugate_gradient_steps=40),
    )
    implicit = found(learner)
    variables = learner.trainable_variables
    rng = np.random.default_rng(1)
    direction = [rng.normal(size=v.shape) for v in variables]
    start = [v.numpy() for v in variables]
    x, y = episode()

    def loss_along(size):
        for v, w, d in zip(variables, start, direction, strict=True):
            v.assign(w + size * d)
        losses, _ = learner.query_losses(x, y, None)
        return float(tf.reduce_mean(losses) + learner.penalty())

    size = 1e-5
    slope = (loss_along(size) - loss_along(-size)) / (2 * size)
    along = sum(
        float(tf.reduce_sum(g * d)) for g, d in zip(implicit[1], direction, strict=True)
    )
    np.testing.assert_allclose(along, slope, rtol=1e-6)


def test_the_losses_after_each_step_have_them():
    learner = MAMLPlusPlus(
        network(),
        inner_steps=2,
        inner_learning_rate=RATE,
        multi_step_annealing=None,
        per_layer_per_step_rates=False,
    )
    weights = [tf.constant(v.numpy()) for v in learner.trainable_variables]
    each = [expected(weights, steps) for steps in (1, 2)]
    loss = (each[0][0] + each[1][0]) / 2
    gradients = [(a + b) / 2 for a, b in zip(each[0][1], each[1][1], strict=True)]
    assert_equal(found(learner), (loss, gradients))


def test_evaluation_reports_what_training_goes_down_on():
    learner = MAML(network(), inner_steps=2, inner_learning_rate=RATE)
    weights = [tf.constant(v.numpy()) for v in learner.trainable_variables]
    reported = learner.evaluate(*episode(), verbose=0, return_dict=True)["loss"]
    np.testing.assert_allclose(reported, expected(weights, 2)[0], rtol=1e-7)


def test_a_broken_task_leaves_the_others_gradient_whole():
    base = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(2, activity_regularizer=_overflowing)]
    )
    learner = MAML(base, inner_steps=1, inner_learning_rate=RATE)
    learner.compile(keras.optimizers.SGD(1.0))
    x, y = episode()
    x["query_inputs"] = tf.concat(
        [x["query_inputs"][:2], x["query_inputs"][2:] * 1e200], axis=0
    )
    _, _, gradients = learner.compute_meta_gradients(x, y, None)
    assert float(learner.dropped_tasks.result()) == 1
    assert all(np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients)
    assert max(np.abs(tf.convert_to_tensor(g)).max() for g in gradients) > 0


def _overflowing(outputs):
    return 1e-3 * keras.ops.sum(keras.ops.square(outputs))
