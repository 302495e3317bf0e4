"""Learners over a causal language model are the learners over anything else."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from learners.small_language_models import small_language_model

from maml_tf import MAML
from maml_tf.base_learners import NextTokenLoss


def _episode(tasks=2, support=2, query=1, length=6):
    random = np.random.default_rng(1)

    def part(count):
        ids = random.integers(0, 256, (tasks, count, length))
        mask = np.ones_like(ids)
        mask[:, :, -1] = 0
        weights = (random.random(ids.shape) < 0.6) * mask.astype("float64")
        weights[..., 0], weights[..., 2] = 0, 1
        inputs = {"token_ids": tf.constant(ids), "padding_mask": tf.constant(mask)}
        return inputs, tf.constant(weights)

    inputs, targets = part(support)
    queries, judged = part(query)
    x = {"support_inputs": inputs, "support_targets": targets, "query_inputs": queries}
    return x, judged


def _by_nested_tapes(base, x, y, steps, rate, first_order, fast=lambda path: True):
    """The mean loss over tasks and its gradient, of all logits, one task at a time."""
    moved = [fast(v.path) for v in base.trainable_variables]
    start = [tf.convert_to_tensor(v.value) for v in base.trainable_variables]
    frozen = [v for v in base.variables if not v.trainable]
    ids = {id(v) for v in base.trainable_variables}
    assert len(ids) + len(frozen) == len(base.variables)

    def loss(weights, inputs, targets):
        mapping = list(zip(base.trainable_variables, weights, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            scores = tf.nn.log_softmax(base.logits(inputs))[:, :-1]
        after = inputs["token_ids"][:, 1:]
        found = tf.gather(scores, after, batch_dims=2)
        kept = targets[:, 1:]
        each = -tf.reduce_sum(kept * found, -1) / tf.reduce_sum(kept, -1)
        return tf.reduce_mean(each)

    with tf.GradientTape() as outer:
        outer.watch(start)
        total = 0.0
        tasks = y.shape[0]
        for task in range(tasks):
            one = tf.nest.map_structure(lambda t, i=task: t[i], x)
            weights = list(start)
            for _ in range(steps):
                with tf.GradientTape() as inner:
                    inner.watch(weights)
                    value = loss(weights, one["support_inputs"], one["support_targets"])
                gradients = inner.gradient(value, weights)
                if first_order:
                    gradients = [tf.stop_gradient(g) for g in gradients]
                weights = [
                    w - rate * g if moves else w
                    for w, g, moves in zip(weights, gradients, moved, strict=True)
                ]
            total += loss(weights, one["query_inputs"], y[task]) / tasks
    return total, outer.gradient(total, start)


@pytest.mark.parametrize("first_order", [False, True])
def test_the_meta_gradient_is_that_of_nested_tapes(first_order):
    base = small_language_model()
    x, y = _episode()
    learner = MAML(
        base,
        inner_steps=2,
        inner_learning_rate=0.3,
        fast_weights="lora",
        first_order=first_order,
    )
    learner.compile(keras.optimizers.SGD(1.0), loss=NextTokenLoss(dtype="float64"))
    loss, _, gradients = learner.compute_meta_gradients(x, y, None)
    wanted, by_tapes = _by_nested_tapes(base, x, y, 2, 0.3, first_order)
    np.testing.assert_allclose(loss, wanted, rtol=1e-6)
    assert max(float(tf.reduce_max(tf.abs(g))) for g in by_tapes) > 1e-3
    for ours, plain in zip(gradients, by_tapes, strict=True):
        np.testing.assert_allclose(ours, plain, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("first_order", [False, True])
def test_the_last_block_alone_adapts_and_the_rest_is_learned(first_order):
    """As in ANIL: also the embeddings, which the output layer shares, get gradients."""
    base = small_language_model(rank=None)
    x, y = _episode()
    fast = base.last_blocks(1)
    learner = MAML(
        base,
        inner_steps=2,
        inner_learning_rate=0.3,
        fast_weights=fast,
        first_order=first_order,
    )
    assert 0 < len(learner.inner_loop.fast_variables) < len(base.trainable_variables)
    learner.compile(keras.optimizers.SGD(1.0), loss=NextTokenLoss(dtype="float64"))
    loss, _, gradients = learner.compute_meta_gradients(x, y, None)
    wanted, by_tapes = _by_nested_tapes(base, x, y, 2, 0.3, first_order, fast)
    np.testing.assert_allclose(loss, wanted, rtol=1e-6)
    places = {v.path: n for n, v in enumerate(base.trainable_variables)}
    for ours, variable in zip(gradients, learner.trainable_variables, strict=True):
        plain = by_tapes[places[variable.path]]
        assert float(tf.reduce_max(tf.abs(plain))) > 0
        np.testing.assert_allclose(ours, plain, atol=1e-7, rtol=1e-5)


def test_first_order_and_exact_differ_here():
    base = small_language_model()
    x, y = _episode()
    exact, first = (
        _by_nested_tapes(base, x, y, 2, 0.3, order)[1] for order in (False, True)
    )
    gaps = [
        float(tf.reduce_max(tf.abs(a - b))) for a, b in zip(exact, first, strict=True)
    ]
    assert max(gaps) > 1e-4


def test_one_person_at_a_time_is_all_at_once_and_eager_is_graph():
    x, y = _episode()
    found = []
    for vectorized, eager in ((True, False), (False, False), (True, True)):
        learner = MAML(
            small_language_model(),
            inner_steps=1,
            inner_learning_rate=0.3,
            fast_weights="lora",
            vectorized=vectorized,
        )
        learner.compile(
            keras.optimizers.SGD(0.1),
            loss=NextTokenLoss(dtype="float64"),
            run_eagerly=eager,
        )
        learner.train_on_batch(x, y)
        found.append([v.numpy() for v in learner.trainable_variables])
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_allclose(one, two, atol=1e-7)
