"""Regression tasks: the functions, and that a batch follows from its number."""

import numpy as np
import pytest

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


def test_kinds_are_named_and_all_come():
    x, _ = next(iter(regression_episodes(tuple(KINDS), name_kinds=True)))
    assert set(x["kind"].numpy()) == set(range(4))


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
