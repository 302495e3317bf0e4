"""Every rival learns an easy task, and then its contrary."""

import numpy as np
import pytest

from maml_tf.base_learners import create_text_encoder
from training.research.intents.rivals import (
    fine_tuning,
    logistic_regression,
    nearest_example,
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


def check(bot, numbers):
    """Learned before or not, a bot answers by what it was taught last."""
    for order in ([0, 1], [1, 0]):
        taught = np.array(order, "int32")[LABELS]
        learned = bot(SUPPORT, taught, ["lamps", "sums"])
        assert learned.answer(QUERIES).tolist() == order
        assert learned.numbers == numbers


def test_nearest_prototype(encoder):
    check(nearest_prototype(encoder), 2 * 16)


def test_a_name_is_one_more_example(encoder):
    bots = [nearest_prototype(encoder, named=named) for named in (True, False)]
    names = ["turn_on", "sums"]
    taught = [*SUPPORT, "turn on", "sums"], np.append(LABELS, [0, 1])
    named = bots[0](SUPPORT, LABELS, names).answer(QUERIES)
    assert named.tolist() == bots[1](*taught, names).answer(QUERIES).tolist()
    wrong = bots[0](SUPPORT[:1] + SUPPORT[2:3], LABELS[[0, 2]], QUERIES[::-1])
    assert wrong.answer(QUERIES).tolist() == [1, 0]


def test_nearest_example(encoder):
    check(nearest_example(encoder), len(SUPPORT) * 16)


def test_fine_tuning(encoder):
    check(
        fine_tuning(encoder, steps=10, learning_rate=3e-3),
        encoder.count_params() + 17 * 2,
    )


def test_logistic_regression(encoder):
    pytest.importorskip("sklearn")
    check(logistic_regression(encoder), 17)
