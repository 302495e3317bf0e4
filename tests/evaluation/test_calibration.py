"""Calibration against independent derivations."""

import numpy as np
import pytest

from maml_tf.evaluation.calibration import (
    Calibration,
    area_under_roc,
    expected_calibration_error,
    false_positive_rate,
    fit_calibration,
    softmax,
)
from maml_tf.evaluation.scope_rule import ScopeRule


def test_temperature_recovers_the_one_that_was_drawn_with():
    random = np.random.default_rng(0)
    logits = random.normal(size=(40_000, 4)) * 3
    drawn = softmax(logits / 2.5)
    labels = (drawn.cumsum(axis=1) > random.random((len(logits), 1))).argmax(axis=1)
    fitted = fit_calibration(logits, labels)
    assert fitted.temperature == pytest.approx(2.5, rel=0.03)
    before = expected_calibration_error(softmax(logits), labels)
    after = expected_calibration_error(fitted.probabilities(logits), labels)
    assert before > 0.1 and after < 0.01


def test_area_under_roc_against_all_pairs():
    random = np.random.default_rng(1)
    inside, outside = random.integers(0, 9, 50), random.integers(0, 7, 40)
    pairs = inside[:, None] - outside[None, :]
    expected = np.mean((pairs > 0) + 0.5 * (pairs == 0))
    assert area_under_roc(inside, outside) == pytest.approx(expected, abs=1e-12)


def test_false_positive_rate_keeps_the_recall():
    random = np.random.default_rng(2)
    inside, outside = random.normal(2, 1, 1000), random.normal(0, 1, 1000)
    # Normal: 95 % of the inside lie above 2 - 1.645; of the outside 36 % do.
    assert false_positive_rate(inside, outside) == pytest.approx(0.361, abs=0.04)
    assert false_positive_rate(inside, inside) == pytest.approx(0.95, abs=1e-9)


def test_threshold_keeps_the_recall_or_parts_both_kinds():
    logits = -np.abs(np.random.default_rng(3).normal(size=(500, 3)))
    labels = np.zeros(500, int)
    alone = fit_calibration(logits, labels, recall=0.9)
    assert alone.in_scope(logits).mean() == pytest.approx(0.9, abs=0.01)
    both = fit_calibration(logits, labels, logits - 10)
    assert both.in_scope(logits).all() and not both.in_scope(logits - 10).any()


def test_saving(tmp_path):
    path = tmp_path / "calibration.json"
    Calibration(1.5, -0.25).save(path)
    assert Calibration.load(path) == Calibration(1.5, -0.25)
    with_rule = Calibration(2.0, ScopeRule((1.0, 2.0, 0.1, 4.0, 5.0, 6.0, 7.0)))
    with_rule.save(path)
    assert Calibration.load(path) == with_rule
    with pytest.raises(ValueError, match="support_features"):
        with_rule.in_scope(np.zeros((1, 2)))
    path.write_text('{"temperature": 1}')
    with pytest.raises(ValueError, match="holds no calibration"):
        Calibration.load(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((0, 2)), np.zeros(0)), "needs logits"),
        ((np.zeros((3, 2)), np.zeros(2)), "needs logits"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        fit_calibration(*arguments)
    with pytest.raises(ValueError, match="between 0 and 1"):
        fit_calibration(np.zeros((3, 2)), np.zeros(3, int), recall=1.0)
