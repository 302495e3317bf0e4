"""Means and intervals of figures that come in groups which are alike."""

import functools
from collections.abc import Hashable, Sequence

import numpy as np
import tensorflow as tf

from maml_tf.evaluation.accuracy import Accuracy


def mean_over_clusters(
    values: Sequence[float] | np.ndarray, clusters: Sequence[Hashable]
) -> Accuracy:
    """Mean of the clusters' means, with the 95 % interval over clusters.

    Bots of one domain are alike: a hundred draws of one easy domain say little about
    the next domain. What is independent are the domains, so the interval is Student's
    over their means, and no narrower for more draws of each than the domains allow.

    Args:
        values: one figure a draw.
        clusters: the cluster of each.

    Returns:
        Its `episodes` are the number of clusters.

    Raises:
        ValueError: for fewer than two clusters, of which no interval can be had.

    Example:

    >>> print(mean_over_clusters([0.8, 0.8, 0.6, 0.6, 0.7, 0.7], "aabbcc"))
    70.00 ± 24.84 %
    """
    array = np.asarray(values, "float64")
    names = list(dict.fromkeys(clusters))
    if len(names) < 2:
        raise ValueError(
            f"An interval over clusters needs two of them or more, not {len(names)}."
        )
    places = np.array([names.index(name) for name in clusters])
    means = np.bincount(places, weights=array) / np.bincount(places)
    half = student_quantile(len(names) - 1) * means.std(ddof=1) / np.sqrt(len(names))
    return Accuracy(float(means.mean()), float(half), len(names))


@functools.cache
def student_quantile(degrees: int, confidence: float = 0.95) -> float:
    """How many standard errors half an interval of Student's distribution has.

    Example:

    >>> [f"{student_quantile(degrees):.3f}" for degrees in (1, 9, 999)]
    ['12.706', '2.262', '1.962']
    """
    half = tf.constant(0.5, tf.float64)
    low, high = 0.0, 1e6
    for _ in range(80):
        middle = (low + high) / 2
        share = tf.constant(degrees / (degrees + middle**2), tf.float64)
        outside = float(tf.math.betainc(half * degrees, half, share))
        low, high = (middle, high) if outside > 1 - confidence else (low, middle)
    return high
