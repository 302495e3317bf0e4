"""Every rival learns an easy task, and the encoder is as it was afterwards."""

import numpy as np
import pytest

from maml_tf.base_learners import create_text_encoder
from training.research.intents.rivals import (
    fine_tuning,
    logistic_regression,
    nearest_prototype,
)

SUPPORT = ["turn on the lamp", "turn on the light", "what is 1 + 2", "what is 3 + 5"]
LABELS = np.array([0, 0, 1, 1], "int32")
QUERIES = ["turn on the fan", "what is 7 + 1"]


@pytest.fixture(scope="module")
def encoder():
    return create_text_encoder(
        num_layers=1, hidden_dim=16, sequence_length=32, normalize=True, seed=0
    )


def check(bot, encoder):
    before = [v.numpy() for v in encoder.variables]
    guesses, seconds = bot(SUPPORT, LABELS, QUERIES)
    assert guesses.tolist() == [0, 1] and seconds > 0
    for old, variable in zip(before, encoder.variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy())


def test_nearest_prototype(encoder):
    check(nearest_prototype(encoder, np.asarray), encoder)


def test_fine_tuning(encoder):
    check(fine_tuning(encoder, steps=10, learning_rate=3e-3), encoder)


def test_logistic_regression(encoder):
    pytest.importorskip("sklearn")
    check(logistic_regression(encoder), encoder)
