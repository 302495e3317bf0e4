"""The checks that every update rule passes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from maml_tf.inner_loop import (
    Adam,
    ClipByGlobalNorm,
    GradientDescent,
    MetaSGDRule,
    Momentum,
    PerLayerPerStepRates,
    WeightDecay,
)

RULES = {
    "descent": lambda: GradientDescent(0.1),
    "learned_descent": lambda: GradientDescent(0.1, learned=True),
    "momentum": lambda: Momentum(0.1, momentum=0.5),
    "adam": lambda: Adam(0.1),
    "adam_without_mean": lambda: Adam(0.1, beta_1=0.0),
    "per_layer_per_step": lambda: PerLayerPerStepRates(0.1, steps=2),
    "meta_sgd": lambda: MetaSGDRule(0.1),
    "clipped": lambda: ClipByGlobalNorm(GradientDescent(0.1), norm=0.5),
    "decayed": lambda: WeightDecay(Adam(0.1), decay=0.1),
    "composed": lambda: ClipByGlobalNorm(WeightDecay(MetaSGDRule(0.1), 0.01), norm=1),
}


@pytest.fixture(params=RULES)
def make(request):
    return RULES[request.param]


def built(rule, dtype="float32"):
    layer = keras.layers.Dense(2, dtype=dtype)
    layer.build((None, 3))
    rule.build_for(layer.trainable_variables)
    return rule, [tf.convert_to_tensor(v.value) for v in layer.trainable_variables]


def quadratic(weights):
    return sum(tf.reduce_sum(tf.square(w - 1)) for w in weights)


def descend(rule, weights, steps):
    state = rule.init(weights)
    for step in range(steps):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss = quadratic(weights)
        gradients = tape.gradient(loss, weights)
        weights, state = rule.update(state, weights, gradients, step, loss=loss)
    return weights


def test_goes_downhill(make):
    rule, weights = built(make())
    assert quadratic(descend(rule, weights, 5)) < quadratic(weights)


def test_state_keeps_its_structure_so_that_a_loop_can_carry_it(make):
    rule, weights = built(make())

    @tf.function
    def looped(weights):
        def body(step, weights, state):
            gradients = [2 * (w - 1) for w in weights]
            return step + 1, *rule.update(state, weights, gradients, step)

        start = (tf.constant(0), weights, rule.init(weights))
        return tf.while_loop(lambda step, *_: step < 4, body, start)[1]

    for mine, theirs in zip(looped(weights), descend(rule, weights, 4), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_meta_gradients_are_finite_at_a_zero_gradient(make, dtype):
    rule, weights = built(make())
    weights = [tf.cast(tf.ones_like(w), dtype) for w in weights]
    with tf.GradientTape() as tape:
        tape.watch(weights)
        moved = quadratic(descend(rule, weights, 3))
    wanted = weights + [v.value for v in rule.trainable_variables]
    for gradient in tape.gradient(moved, wanted, unconnected_gradients="zero"):
        assert np.isfinite(tf.cast(gradient, tf.float32).numpy()).all()


def test_config_round_trip(make):
    rule, weights = built(make())
    clone, _ = built(type(rule).from_config(rule.get_config()))
    for mine, theirs in zip(
        descend(rule, weights, 3), descend(clone, weights, 3), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_rates_that_nobody_chose():
    assert GradientDescent().get_config()["learning_rate"] == 0.01
    assert Adam().get_config()["learning_rate"] == 0.001


@pytest.mark.parametrize("name", ["learned_descent", "per_layer_per_step", "meta_sgd"])
def test_learned_rates_start_exactly_where_they_were_told_to(name, float64):
    rule, _ = built(RULES[name](), "float64")
    rates = np.concatenate([np.ravel(rate) for rate in rule.learned_rates()])
    assert rates.dtype == "float64"
    assert set(rates.tolist()) == {0.1}


def test_what_is_built_again_keeps_its_weights(make):
    rule, weights = built(make())
    before = [id(variable) for variable in rule.variables]
    assert rule.built
    rule.build_for([keras.Variable(w) for w in weights])
    assert [id(variable) for variable in rule.variables] == before


def test_momentum_and_adam_are_those_of_keras():
    pairs = (
        (Momentum(0.1, 0.8), keras.optimizers.SGD(0.1, momentum=0.8)),
        # With 0.999 Keras' own correction of the bias loses four digits in float32.
        (
            Adam(0.1, beta_2=0.9, epsilon=1e-9),
            keras.optimizers.Adam(0.1, beta_2=0.9, epsilon=1e-9),
        ),
        (GradientDescent(0.1), keras.optimizers.SGD(0.1)),
    )
    for rule, optimizer in pairs:
        rule, weights = built(rule)
        variables = [keras.Variable(w) for w in weights]
        for _ in range(4):
            optimizer.apply([2 * (v.value - 1) for v in variables], variables)
        for mine, theirs in zip(descend(rule, weights, 4), variables, strict=True):
            np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-4, atol=1e-6)


def test_each_step_uses_its_own_rate_and_the_last_one_holds():
    rule, weights = built(PerLayerPerStepRates(0.5, steps=2))
    rule.rates[0].assign([1.0, 0.25])
    ones = [tf.ones_like(w) for w in weights]
    for step, rate in ((0, 1.0), (1, 0.25), (7, 0.25)):
        moved, _ = rule.update([], weights, ones, step)
        np.testing.assert_allclose(weights[0] - moved[0], rate, rtol=1e-6)


@pytest.mark.parametrize(
    ("make_bad", "message"),
    [
        (lambda: GradientDescent(0.0), "learning_rate"),
        (lambda: Momentum(0.1, momentum=1.0), "momentum"),
        (lambda: Adam(beta_2=1.0), "beta_2"),
        (lambda: PerLayerPerStepRates(steps=0), "steps"),
        (lambda: WeightDecay(GradientDescent(), decay=-0.1), "decay"),
        (lambda: ClipByGlobalNorm(GradientDescent(), norm=float("nan")), "norm"),
    ],
)
def test_arguments_out_of_range_are_refused(make_bad, message):
    with pytest.raises(ValueError, match=message):
        make_bad()
