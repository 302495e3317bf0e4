"""A learner with smaller weights reads texts and answers about as before."""

from functools import cache

import numpy as np
import pytest
import tensorflow as tf
from serving.small_exports import (
    LABELS,
    QUERIES,
    SUPPORT,
    make_maml,
    make_prototypical,
)

from maml_tf.serving.precision import in_precision
from maml_tf.serving.signatures import ServedLearner

LEARNERS = {
    "prototypical": make_prototypical,
    "head": lambda: make_maml(fast_weights="head"),
}


TEXTS = (SUPPORT, LABELS, QUERIES)


def answered(learner):
    return ServedLearner(learner).classify(*map(tf.constant, TEXTS))["probabilities"]


@cache
def whole(kind):
    """The learner and what it answers as it is."""
    learner = LEARNERS[kind]()
    return learner, answered(learner).numpy()


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
@pytest.mark.parametrize("kind", LEARNERS)
def test_smaller_weights_answer_raw_strings(kind, precision):
    learner, expected = whole(kind)
    answer = answered(in_precision(learner, precision)).numpy()
    np.testing.assert_allclose(answer, expected, atol=0.03)
    assert (answer != expected).any()
