"""The rule for "I do not know" against counting, and against NumPy by hand."""

import numpy as np
import pytest

from maml_tf.evaluation.scope_rule import ScopeRule, fit_scope_rule, support_features


def test_features_by_hand():
    logits = np.array([[3.0, 1.0, 0.0], [1.0, 2.0, 4.0], [0.0, 5.0, 1.0], [2, 1, 7]])
    numbers = np.array([0, 1, 1, 2])
    # Classes of 1, 2 and 1 examples; own 3, (2 + 5) / 2, 7; others 1, (4 + 1) / 2, 2.
    fewness, own, other = 2.5 / 3, 13.5 / 3, 5.5 / 3
    expected = [1, fewness, np.log(3), own, own * fewness, other, other * fewness]
    np.testing.assert_allclose(support_features(logits, numbers), expected, rtol=1e-12)


@pytest.mark.parametrize("recall", [0.5, 0.9, 0.99])
def test_of_every_kind_of_bot_the_share_is_met(recall):
    random = np.random.default_rng(0)
    features = np.zeros((300, 7))
    features[:, 0], features[:, 3] = 1, random.uniform(0, 2, size=300)
    # Where questions lie, and how far they scatter, both hang on the fourth feature.
    scores = [2 + 3 * f + (1 + f) * random.normal(size=200) for f in features[:, 3]]
    rule = fit_scope_rule(features, scores, recall=recall)
    thresholds = rule.threshold(features).numpy()
    passed = np.array(
        [np.mean(one >= least) for one, least in zip(scores, thresholds, strict=True)]
    )
    for kind in (features[:, 3] < 0.5, features[:, 3] > 1.5):
        assert passed[kind].mean() == pytest.approx(recall, abs=0.03)
    assert passed.mean() == pytest.approx(recall, abs=0.003)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="7 finite coefficients"):
        ScopeRule((1.0,))
    with pytest.raises(ValueError, match="7 finite coefficients"):
        ScopeRule((float("nan"),) * 7)
    with pytest.raises(ValueError, match="between 0 and 1"):
        fit_scope_rule(np.ones((1, 7)), [np.ones(3)], recall=1.0)
    with pytest.raises(ValueError, match="a question each"):
        fit_scope_rule(np.ones((1, 7)), [np.ones(0)])
