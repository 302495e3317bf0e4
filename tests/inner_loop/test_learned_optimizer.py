"""The learned optimizer against its formulas, and on a base learner of another size."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from maml_tf.inner_loop import LearnedOptimizer
from maml_tf.inner_loop.update_rules.learned_optimizer import log_and_sign
from maml_tf.learners import MAML


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


def test_log_and_sign_by_hand():
    values = tf.constant([[np.e], [-(np.e**-5)], [np.e**-11]], tf.float64)
    expected = [[0.1, 1], [-0.5, -1], [-1, np.e**-1]]
    np.testing.assert_allclose(log_and_sign(values), expected, rtol=1e-12)


def test_two_steps_against_numpy():
    rule = LearnedOptimizer(units=3, learning_rate=0.2, retention=0.9)
    rule.build_for([])
    rng = np.random.default_rng(0)
    for variable in (rule.kernel, rule.bias, rule.forget_kernel, rule.input_kernel):
        variable.assign(rng.normal(size=variable.shape))
    weight, gradient, loss = rng.normal(size=(2, 2)), rng.normal(size=(2, 2)), 0.7
    weights = [tf.constant(weight)]
    state = rule.init(weights)
    kernel, bias = rule.kernel.numpy(), rule.bias.numpy()
    gate_bias = rule.gate_bias.numpy()
    hidden = cell = np.zeros((4, 3))
    gates = np.tile([0.9, 0.2], (4, 1))
    for step in range(2):
        weights, state = rule.update(
            state, weights, [tf.constant(gradient)], step, tf.constant(loss, tf.float64)
        )
        slope = gradient.reshape(-1, 1)
        read = np.concatenate(
            [
                np.log(np.abs(slope)) / 10,
                np.sign(slope),
                np.full((4, 1), np.log(loss) / 10),
                np.ones((4, 1)),
            ],
            axis=1,
        )
        pre = np.concatenate([read, hidden], axis=1) @ kernel + bias
        keep, write, new, out = np.split(pre, 4, axis=1)
        cell = sigmoid(keep + 1) * cell + sigmoid(write) * np.tanh(new)
        hidden = sigmoid(out) * np.tanh(cell)
        opened = [
            sigmoid(
                np.concatenate([hidden, weight.reshape(-1, 1), gates[:, [i]]], axis=1)
                @ v.numpy()
                + gate_bias[i]
            )
            for i, v in enumerate((rule.forget_kernel, rule.input_kernel))
        ]
        gates = np.stack(opened, axis=1)
        weight = gates[:, :1] * weight.reshape(-1, 1) - gates[:, 1:] * slope
        weight = weight.reshape(2, 2)
    np.testing.assert_allclose(weights[0], weight, rtol=1e-5)


def test_weights_work_on_a_base_learner_of_another_size():
    rule = LearnedOptimizer(units=3)
    for units in (2, 5):
        base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])
        learner = MAML(base, inner_steps=1, update_rule=rule)
        assert learner.inner_loop.rule is rule
        targets = tf.constant([[0, 1, 0, 1]])
        fast = learner.adapt(tf.random.normal((1, 4, 4)), targets)
        assert fast[min(fast)].shape[-2:] == (4, units)
    assert len(rule.variables) == 5


@pytest.mark.parametrize(
    "options", [{"units": 0}, {"learning_rate": 1.0}, {"retention": 0.0}]
)
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        LearnedOptimizer(**options)
