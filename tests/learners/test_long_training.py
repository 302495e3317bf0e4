"""What must hold over many steps: memory, tracing, learned rates and their logs."""

import gc
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_episodes

from maml_tf.inner_loop import GradientDescent
from maml_tf.learners import MAML


def make(**options):
    layers = [keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(2)]
    base = keras.Sequential([keras.Input((4,)), *layers])
    learner = MAML(base, inner_steps=3, **options)
    # XLA would compile for longer than all the steps here take.
    learner.compile(jit_compile=False)
    return learner


def resident_mb():
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("reads the resident size from /proc")
    line = next(t for t in status.read_text().splitlines() if "VmRSS" in t)
    return int(line.split()[1]) / 1024


def count_calls(learner, name):
    """Counts the runs of a Python method, which a traced function no longer does."""
    calls, original = [], getattr(learner, name)

    def counted(*arguments, **keywords):
        calls.append(name)
        return original(*arguments, **keywords)

    setattr(learner, name, counted)
    return calls


@pytest.mark.parametrize("meta_gradient", ["exact_unrolled", "exact_recursive"])
def test_memory_is_flat_and_nothing_is_traced_again(meta_gradient):
    learner = make(meta_gradient=meta_gradient)
    batches = [
        tf.nest.map_structure(tf.constant, make_episodes(seed=s)) for s in range(4)
    ]

    def work(steps):
        for step in range(steps):
            x, y = batches[step % 4]
            learner.train_on_batch(x, y)
            learner.adapt(x["support_inputs"], x["support_targets"])
        gc.collect()

    learner.build_from_episode(batches[0][0])
    gradients = count_calls(learner, "compute_meta_gradients")
    steps = count_calls(learner.inner_loop, "_adapt")
    work(40)
    traced, before = (len(gradients), len(steps)), resident_mb()
    work(300)
    assert (len(gradients), len(steps)) == traced
    assert resident_mb() < 1.02 * before + 2


def test_each_length_is_traced_at_most_once():
    layers = [keras.layers.Dense(3), keras.layers.GlobalAveragePooling1D()]
    base = keras.Sequential([keras.Input((None, 4)), *layers, keras.layers.Dense(2)])
    learner = MAML(base, inner_steps=2)
    learner.compile(jit_compile=False)

    def episode(length, seed):
        x, y = make_episodes(seed=seed)
        for key in ("support_inputs", "query_inputs"):
            x[key] = np.repeat(x[key][:, :, None], length, axis=2)
        return x, y

    learner.build_from_episode(episode(5, 0)[0])
    gradients = count_calls(learner, "compute_meta_gradients")
    for seed, length in enumerate((5, 7, 3, 5, 7, 3, 5, 7, 3)):
        learner.train_on_batch(*episode(length, seed))
    assert 1 <= len(gradients) <= 3


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_learned_rates_take_exactly_their_part_of_the_optimizers_step(optimizer):
    x, y = make_episodes()

    def after_one_step(multiplier):
        keras.utils.set_random_seed(0)
        learner = make(
            update_rule=GradientDescent(0.1, learned=True),
            learned_rate_multiplier=multiplier,
        )
        learner.compile(optimizer, jit_compile=False)
        rates = [float(v.value) for v in learner.inner_loop.rule.rates]
        weights = learner.base_learner.get_weights()
        learner.train_on_batch(x, y)
        moved = [float(v.value) for v in learner.inner_loop.rule.rates]
        new = learner.base_learner.get_weights()
        moves = np.subtract(moved, rates)
        return moves, [a - b for a, b in zip(new, weights, strict=True)]

    whole, weights = after_one_step(1.0)
    part, same_weights = after_one_step(0.25)
    assert np.abs(whole).min() > 1e-7
    np.testing.assert_allclose(part, 0.25 * whole, rtol=1e-3, atol=1e-8)
    for mine, theirs in zip(same_weights, weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_training_logs_the_learned_rates():
    learner = make(update_rule=GradientDescent(0.1, learned=True))
    logs = learner.train_on_batch(*make_episodes(), return_dict=True)
    rates = [float(v.value) for v in learner.inner_loop.rule.rates]
    assert logs["inner_rate_mean"] == pytest.approx(np.mean(rates))
    assert logs["inner_rate_smallest"] == pytest.approx(min(rates))
    assert logs["inner_rate_largest"] == pytest.approx(max(rates))
    assert min(rates) < max(rates)
    plain = make().train_on_batch(*make_episodes(), return_dict=True)
    assert not any(key.startswith("inner_rate") for key in plain)
