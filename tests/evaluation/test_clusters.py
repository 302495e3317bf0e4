"""Intervals over clusters, against simulation."""

import numpy as np
import pytest

from maml_tf.evaluation import mean_over_clusters, mean_with_interval


def coverage(interval, trials=600):
    """How often the true mean, 0.8, lies in the interval of 10 domains of 5 draws."""
    random = np.random.default_rng(0)
    domains = np.repeat(np.arange(10), 5)
    inside = 0
    for _ in range(trials):
        of_domain = random.normal(0.8, 0.05, 10)
        values = of_domain[domains] + random.normal(0, 0.01, 50)
        found = interval(values, domains)
        inside += abs(found.mean - 0.8) <= found.ci95
    return inside / trials


def test_an_interval_over_domains_holds_what_it_promises():
    # Standard error of a share of 0.95 over 600 trials: 0.009.
    assert coverage(mean_over_clusters) == pytest.approx(0.95, abs=0.03)
    # What taking the draws for independent gives.
    assert coverage(lambda values, _: mean_with_interval(values)) < 0.7


def test_more_draws_of_the_same_domains_narrow_nothing():
    once = mean_over_clusters([0.8, 0.6, 0.7], "abc")
    often = mean_over_clusters([0.8, 0.6, 0.7] * 50, "abc" * 50)
    assert often.ci95 == pytest.approx(once.ci95) and often.episodes == 3


def test_one_cluster_has_no_interval():
    with pytest.raises(ValueError, match="needs two of them or more, not 1"):
        mean_over_clusters([0.8, 0.9], "aa")
