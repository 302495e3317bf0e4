"""Sums that the graph optimiser leaves alone, for its temporaries collide in loops."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_episodes

from maml_tf.inner_loop.sums import sums_in_pairs
from maml_tf.learners import MAML


def graphs(function):
    definition = function.get_concrete_function().graph.as_graph_def()
    return [definition.node, *(f.node_def for f in definition.library.function)]


def long_sums(nodes):
    """`AddN` of more than two, and those that the optimiser would make of a chain."""
    sums = {n.name: n for n in nodes if n.op == "AddN"}
    chained = [
        n
        for n in nodes
        if n.op in ("AddN", "AddV2") and any(i.split(":")[0] in sums for i in n.input)
    ]
    return [n.name for n in sums.values() if len(n.input) > 2] + [
        n.name for n in chained if n.op == "AddN"
    ]


def test_a_tensor_that_is_used_often():
    x = tf.constant([1.0, 2.0])

    def gradient():
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x * x + tf.exp(x) + 3 * x
        return tape.gradient(y, x)

    def in_pairs():
        with sums_in_pairs():
            return gradient()

    np.testing.assert_allclose(in_pairs(), 2 * x + tf.exp(x) + 3, rtol=1e-6)
    assert any(map(long_sums, graphs(tf.function(gradient))))
    assert not any(map(long_sums, graphs(tf.function(in_pairs))))


@pytest.mark.parametrize(
    ("meta_gradient", "tasks"),
    [("exact_recursive", 1), ("exact_recursive", 2), ("implicit", 2)],
)
def test_no_long_sum_inside_the_loops_over_steps(meta_gradient, tasks):
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(4, activation="tanh")(inputs)
    hidden = keras.layers.LayerNormalization()(hidden * keras.ops.exp(hidden) + hidden)
    base = keras.Model(inputs, keras.layers.Dense(2)(hidden))
    learner = MAML(base, inner_steps=2, meta_gradient=meta_gradient)
    learner.compile(keras.optimizers.SGD(1.0))
    x, y = tf.nest.map_structure(tf.constant, make_episodes(tasks=tasks))
    step = tf.function(
        lambda: learner.compute_meta_gradients(x, y, None)[2], autograph=False
    )
    loops, found = 0, []
    definition = step.get_concrete_function().graph.as_graph_def()
    for function in definition.library.function:
        if "while_body" in function.signature.name:
            loops += 1
            found += long_sums(function.node_def)
    assert loops >= 2
    assert found == []
