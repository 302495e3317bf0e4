"""What every base learner has to stand: two derivatives, vectorised over tasks."""

import keras
import numpy as np
import tensorflow as tf


def meta_gradients(model, inputs, variables=None, *, how, tasks=2, training=True):
    """Second-order gradients of a one-step inner loop, with different weights a task.

    `inputs` has a leading task axis. `how` is "loop" (eager, a Python loop),
    "vectorized" (a graph) or "xla".
    """
    variables = variables or model.trainable_variables
    random = np.random.default_rng(0)
    stacked = [
        tf.constant(
            v.numpy() + 0.1 * random.normal(size=(tasks, *v.shape)).astype(v.dtype)
        )
        for v in variables
    ]

    def loss_of(weights, batch):
        mapping = list(zip(variables, weights, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            outputs = model(batch, training=training)
        outputs = tf.cast(outputs, tf.float32)
        return tf.reduce_mean(tf.math.sin(outputs) * (1.0 + outputs))

    def adapted_loss(elements):
        weights, batch = elements
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss = loss_of(weights, batch)
        gradients = tape.gradient(loss, weights, unconnected_gradients="zero")
        weights = [
            w - 0.5 * tf.convert_to_tensor(g)
            for w, g in zip(weights, gradients, strict=True)
        ]
        return loss_of(weights, batch)

    def meta_gradient():
        with tf.GradientTape() as tape:
            tape.watch(stacked)
            if how == "loop":
                losses = []
                for index in range(tasks):
                    task = tf.nest.map_structure(
                        lambda t, index=index: t[index], (stacked, inputs)
                    )
                    losses.append(adapted_loss(task))
            else:
                losses = tf.vectorized_map(
                    adapted_loss, (stacked, inputs), fallback_to_while_loop=False
                )
            total = tf.reduce_sum(losses)
        gradients = tape.gradient(total, stacked, unconnected_gradients="zero")
        return [total, *map(tf.convert_to_tensor, gradients)]

    if how == "loop":
        return [g.numpy() for g in meta_gradient()]
    compiled = tf.function(meta_gradient, jit_compile=how == "xla", autograph=False)
    return [g.numpy() for g in compiled()]


def assert_close(found, expected, tolerance=1e-5):
    """Compares lists of arrays relative to the largest entry of all."""
    scale = max(np.abs(array).max() for array in expected[1:])
    assert scale > 1e-6, "the gradients are all zero, which proves nothing"
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * scale)


def assert_vectorises(model, inputs, variables=None, *, xla=True, **options):
    """Checks graph and XLA, vectorised, against the eager loop over tasks."""
    expected = meta_gradients(model, inputs, variables, how="loop", **options)
    found = meta_gradients(model, inputs, variables, how="vectorized", **options)
    assert_close(found, expected)
    if xla:
        found = meta_gradients(model, inputs, variables, how="xla", **options)
        assert_close(found, expected)


def saved_and_loaded(model, directory):
    """Sends a model through a .keras file, with no custom objects."""
    path = str(directory / "model.keras")
    model.save(path)
    return keras.models.load_model(path)
