"""A learner with smaller weights reads texts and answers about as before."""

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


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
@pytest.mark.parametrize("kind", LEARNERS)
def test_smaller_weights_answer_raw_strings(kind, precision):
    learner = LEARNERS[kind]()
    texts = [*map(tf.constant, (SUPPORT, LABELS, QUERIES))]
    expected, answer = (
        ServedLearner(one).classify(*texts)["probabilities"].numpy()
        for one in (learner, in_precision(learner, precision))
    )
    np.testing.assert_allclose(answer, expected, atol=0.03)
    assert (answer != expected).any()
