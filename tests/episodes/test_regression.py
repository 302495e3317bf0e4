"""Regression tasks: the functions, and that a batch follows from its number."""

import numpy as np
import pytest
import tensorflow as tf

from maml_tf.episodes.regression import KINDS, regression_episodes
from maml_tf.episodes.sampler import SamplingError


def test_sinusoids_have_the_papers_amplitudes_and_phases():
    for x, y in regression_episodes(shots=5, queries=50, tasks_per_batch=20, steps=2):
        assert np.abs(x["query_inputs"]).max() <= 5
        for inputs, targets in zip(x["query_inputs"], y, strict=True):
            inputs, targets = inputs.numpy(), targets.numpy()
            # A sin(x - p) is a combination of sin x and cos x, found by least squares.
            basis = np.concatenate([np.sin(inputs), np.cos(inputs)], axis=1)
            (a, b), *_ = np.linalg.lstsq(basis, targets[:, 0], rcond=None)
            np.testing.assert_allclose(basis @ [a, b], targets[:, 0], atol=1e-4)
            assert 0.1 <= np.hypot(a, b) <= 5
            assert -1e-3 <= np.arctan2(-b, a) <= np.pi + 1e-3


@pytest.mark.parametrize(("kind", "degree"), [("line", 1), ("quadratic", 2)])
def test_lines_and_quadratics_are_polynomials(kind, degree):
    x, y = next(iter(regression_episodes([kind], queries=30, tasks_per_batch=4)))
    for inputs, targets in zip(x["query_inputs"].numpy(), y.numpy(), strict=True):
        fit = np.polyfit(inputs[:, 0], targets[:, 0], degree)
        np.testing.assert_allclose(
            np.polyval(fit, inputs[:, 0]), targets[:, 0], atol=1e-4
        )


@pytest.mark.parametrize(
    ("kind", "unit", "x", "y"),
    [
        ("sinusoid", (0, 0, 0), np.pi / 2, 0.1),
        ("sinusoid", (1, 0.5, 0), np.pi, 5),
        ("line", (0, 0, 0), 2, -5),
        ("line", (1, 1, 0), 2, 5),
        ("quadratic", (0, 0, 0), 0, 0.8),
        ("quadratic", (1, 1, 1), 0, 4),
        ("absolute_value", (0, 0, 0), 0, -4),
        ("absolute_value", (1, 1, 1), 0, 2),
    ],
)
def test_functions_at_the_ends_of_what_is_drawn(kind, unit, x, y):
    assert float(KINDS[kind](tf.constant(float(x)), unit)) == pytest.approx(y)


def test_functions_do_not_follow_from_where_they_are_seen():
    for x, _ in regression_episodes(["line"], tasks_per_batch=1, steps=3):
        inputs, targets = (x[f"support_{of}"][0, :, 0] for of in ("inputs", "targets"))
        slope, _ = np.polyfit(inputs, targets, 1)
        # Inputs are five times what a slope is, if both come of the same draw.
        assert np.abs(inputs[0] / 5 - slope) > 1e-3


def test_kinds_are_named_and_all_come():
    x, _ = next(iter(regression_episodes(tuple(KINDS), name_kinds=True)))
    assert set(x["kind"].numpy()) == set(range(4))
    assert x["support_inputs"].shape == x["query_inputs"].shape == (25, 10, 1)


def test_a_batch_is_a_function_of_seed_and_number():
    whole = [y.numpy() for _, y in regression_episodes(steps=3)]
    later = [y.numpy() for _, y in regression_episodes(steps=1, start_step=2)]
    np.testing.assert_array_equal(whole[2], later[0])
    assert not np.array_equal(whole[0], whole[1])
    other = next(iter(regression_episodes(seed=1)))[1]
    assert not np.array_equal(whole[0], other)


def test_bad_options_are_refused():
    with pytest.raises(SamplingError, match="sinusoid"):
        regression_episodes(["circle"])
    with pytest.raises(SamplingError, match="shots=0"):
        regression_episodes(shots=0)


def test_no_tuner_holds_up_the_end_of_training():
    assert regression_episodes().options().autotune.enabled is False
