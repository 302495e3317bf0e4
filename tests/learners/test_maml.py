"""MAML's meta-gradient against independent computations."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_episodes

from maml_tf.base_learners.errors import BaseLearnerError
from maml_tf.inner_loop import Adam
from maml_tf.inner_loop.tasks import repeat_for_tasks
from maml_tf.learners import MAML, PrototypicalNetwork, Reptile


def mean_squared(targets, predictions):
    return tf.reduce_mean(tf.square(targets - predictions), axis=-1)


def small(**options):
    base = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, activation="tanh", dtype="float64"),
            keras.layers.Dense(2, dtype="float64"),
        ]
    )
    options = {"inner_steps": 3, "inner_learning_rate": 0.3, **options}
    learner = MAML(base, **options)
    learner.compile(keras.optimizers.SGD(1.0))
    return learner


def meta_gradients(learner, x, y):
    return [
        tf.convert_to_tensor(g).numpy()
        for g in learner.compute_meta_gradients(x, y, None)[2]
    ]


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("fast", ["all", "head"])
@pytest.mark.parametrize("rule", ["descent", "adam", "clipped"])
def test_exact_meta_gradient_against_finite_differences(float64, steps, fast, rule):
    options = {
        "adam": {"update_rule": Adam(0.1, epsilon=1e-2)},
        "clipped": {"inner_gradient_clip": 0.1},
        "descent": {},
    }[rule]
    learner = small(inner_steps=steps, fast_weights=fast, **options)
    x, y = make_episodes(dtype="float64")
    exact = meta_gradients(learner, x, y)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    loss = tf.function(lambda: cross_entropy(y, learner(x)), autograph=False)
    h = 1e-6
    for variable, gradient in zip(learner.trainable_variables, exact, strict=True):
        start = variable.numpy()
        for place in list(np.ndindex(start.shape))[:4]:
            ends = []
            for sign in (1, -1):
                moved = start.copy()
                moved[place] += sign * h
                variable.assign(moved)
                ends.append(float(loss()))
            variable.assign(start)
            assert gradient[place] == pytest.approx(
                (ends[0] - ends[1]) / (2 * h), rel=1e-5, abs=1e-9
            )


def test_exact_meta_gradient_by_hand(float64):
    # One weight, prediction w * a, inner loss (w a - b)^2, so a step gives
    # w' = w - 2 r a (w a - b), dw'/dw = 1 - 2 r a^2, and the outer derivative
    # 2 c (w' c - d) (1 - 2 r a^2).
    base = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False, dtype="float64")]
    )
    base.set_weights([np.array([[0.7]])])
    for first_order in (False, True):
        learner = MAML(
            base,
            inner_steps=1,
            inner_learning_rate=0.1,
            inner_loss=mean_squared,
            first_order=first_order,
        )
        learner.compile(keras.optimizers.SGD(1.0), loss=mean_squared)
        a, b, c, d, w, r = 1.5, 0.4, -2.0, 1.1, 0.7, 0.1
        x = {
            "support_inputs": np.array([[[a]]]),
            "support_targets": np.array([[[b]]]),
            "query_inputs": np.array([[[c]]]),
        }
        adapted = w - 2 * r * a * (w * a - b)
        expected = 2 * c * (adapted * c - d)
        if not first_order:
            expected *= 1 - 2 * r * a**2
        (gradient,) = meta_gradients(learner, x, np.array([[[d]]]))
        assert gradient[0, 0] == pytest.approx(expected, rel=1e-12)


def test_first_order_is_the_gradient_at_the_adapted_weights(float64):
    learner = small(first_order=True)
    x, y = make_episodes(dtype="float64")
    fast = learner.adapt(x["support_inputs"], x["support_targets"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with tf.GradientTape() as tape:
        tape.watch(fast)
        value = loss(y, learner.predict_adapted(fast, x["query_inputs"]))
    at_adapted = tape.gradient(value, [fast[key] for key in sorted(fast)])
    for mine, theirs in zip(meta_gradients(learner, x, y), at_adapted, strict=True):
        np.testing.assert_allclose(mine, tf.reduce_sum(theirs, 0), rtol=1e-10)


@pytest.mark.parametrize("first_order", [False, True])
def test_loop_over_tasks_is_the_vectorised_form(float64, first_order):
    x, y = make_episodes(dtype="float64")
    vectorised = small(first_order=first_order)
    looped = small(first_order=first_order, vectorized=False)
    looped.set_weights(vectorised.get_weights())
    for mine, theirs in zip(
        meta_gradients(vectorised, x, y), meta_gradients(looped, x, y), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-14)


def test_loop_forward_is_the_unrolled_forward(float64):
    learner = small(update_rule=Adam(0.05), inner_steps=6)
    x, _ = make_episodes(dtype="float64")
    looped = learner.adapt(x["support_inputs"], x["support_targets"])
    unrolled = learner.adapt(x["support_inputs"], x["support_targets"], training=True)
    for key, value in looped.items():
        np.testing.assert_allclose(value, unrolled[key], rtol=1e-12)


def test_learned_rates_receive_a_gradient():
    from maml_tf.inner_loop import GradientDescent

    learner = small(update_rule=GradientDescent(0.1, learned=True))
    before = [v.numpy() for v in learner.inner_loop.rule.rates]
    learner.train_on_batch(*make_episodes())
    after = [v.numpy() for v in learner.inner_loop.rule.rates]
    assert all(a != b for a, b in zip(before, after, strict=True))


def test_dropout_differs_between_tasks_and_steps():
    base = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(2)]
    )
    learner = MAML(base, inner_steps=1, inner_learning_rate=1.0)
    x, _ = make_episodes(tasks=1)
    twice = {key: np.repeat(value, 2, axis=0) for key, value in x.items()}
    fast = learner.adapt(twice["support_inputs"], twice["support_targets"], True)
    kernel = fast[min(fast)].numpy()
    assert not np.allclose(kernel[0], kernel[1])
    still = learner.adapt(twice["support_inputs"], twice["support_targets"])
    kernel = still[min(still)].numpy()
    np.testing.assert_allclose(kernel[0], kernel[1])


def test_batch_statistics_move_in_training_only():
    base = keras.Sequential(
        [keras.Input((4,)), keras.layers.BatchNormalization(), keras.layers.Dense(2)]
    )
    learner = MAML(base, inner_steps=1)
    x, y = make_episodes()
    mean = base.layers[0].moving_mean
    learner(x)
    learner.adapt(x["support_inputs"], x["support_targets"], training=True)
    np.testing.assert_array_equal(mean.numpy(), 0)
    learner.train_on_batch(x, y)
    assert np.abs(mean.numpy()).max() > 0


def test_frozen_weights_are_neither_copied_nor_moved():
    frozen = keras.layers.Dense(3, trainable=False)
    base = keras.Sequential([keras.Input((4,)), frozen, keras.layers.Dense(2)])
    learner = MAML(base, inner_steps=1)
    loop = learner.inner_loop
    _, assigned = loop.predict(
        repeat_for_tasks(loop.initial(), 1),
        loop.constants(),
        tf.ones((1, 2, 4)),
        training=True,
    )
    assert assigned == {}
    before = frozen.get_weights()
    learner.train_on_batch(*make_episodes())
    for old, new in zip(before, frozen.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_layer_that_thaws_later_is_refused_or_was_never_to_adapt():
    frozen = keras.layers.Dense(3, trainable=False)
    base = keras.Sequential([keras.Input((4,)), frozen, keras.layers.Dense(2)])
    x, _ = make_episodes()
    support = x["support_inputs"], x["support_targets"]
    whole, head = MAML(base), MAML(base, fast_weights="head")
    for learner in (whole, head):
        learner.adapt(*support)
    frozen.trainable = True
    with pytest.raises(BaseLearnerError, match="kernel was frozen when this learner"):
        whole.adapt(*support)
    assert len(head.adapt(*support)) == 2 and len(MAML(base).adapt(*support)) == 4
    frozen.trainable = False
    assert len(whole.adapt(*support)) == 2


def test_reptile_moves_exactly_towards_the_mean_of_the_adapted_weights(float64):
    base = small().base_learner
    learner = Reptile(base, inner_steps=4, inner_learning_rate=0.2)
    learner.compile(keras.optimizers.SGD(0.25))
    x, y = make_episodes(dtype="float64")
    start = base.get_weights()
    fast = learner.adapt(x["support_inputs"], x["support_targets"])
    learner.train_on_batch(x, y)
    for old, new, key in zip(start, base.get_weights(), sorted(fast), strict=True):
        expected = old + 0.25 * (fast[key].numpy() - old).mean(axis=0)
        np.testing.assert_allclose(new, expected, rtol=1e-6, atol=1e-7)


def test_prototypes_by_hand():
    identity = keras.Sequential([keras.Input((2,)), keras.layers.Identity()])
    network = PrototypicalNetwork(identity)
    x = {
        "support_inputs": np.array([[[0.0, 0], [2, 0], [0, 4]]], "float32"),
        "support_targets": np.array([[0, 0, 1]]),
        "query_inputs": np.array([[[1.0, 1]]], "float32"),
    }
    np.testing.assert_allclose(network(x)[0, 0], [-1, -10], rtol=1e-6)


def test_prototypes_take_any_number_of_ways():
    network = PrototypicalNetwork(
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)])
    )
    for ways in (2, 7):
        x, _ = make_episodes(ways=ways)
        assert network.predict(x, verbose=0).shape[-1] == ways


def test_compiling_what_cannot_be_compiled_is_refused():
    network = PrototypicalNetwork(
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)])
    )
    with pytest.raises(ValueError, match="cannot be XLA-compiled"):
        network.compile(jit_compile=True)


def test_unbuilt_base_learner_is_built_by_its_first_task(tmp_path):
    learner = MAML(keras.Sequential([keras.layers.Dense(2)]), inner_steps=1)
    x, y = make_episodes()
    learner.train_on_batch(x, y)
    learner.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(learner(x), loaded(x), rtol=1e-6)


@pytest.mark.parametrize(
    "options",
    [{"inner_steps": -1}, {"inner_learning_rate": 0}, {"fast_weights": "some"}],
)
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options)).split("_")[-1]):
        small(**options)
