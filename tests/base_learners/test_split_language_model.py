"""The upper blocks of a language model say what the whole model says."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from maml_tf.base_learners import BaseLearnerError
from maml_tf.base_learners.scratch_causal_lm import make_scratch_causal_lm
from maml_tf.base_learners.split_language_model import (
    UpperLanguageModel,
    reply_states,
)

IDS = [[5, 6, 7, 8, 9], [5, 6, 9], [8, 7, 6, 5]]
OWN = [[0, 0, 1, 1, 1], [0, 0, 1], [0, 1, 1, 1]]


@pytest.fixture(scope="module")
def model():
    model = make_scratch_causal_lm(
        num_layers=2, hidden_dim=8, num_heads=2, lora_rank=2, lora_blocks=1, seed=1
    )
    random = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(random.normal(size=variable.shape, scale=0.3))
    return model


def _scores(model, row):
    inputs = {"token_ids": tf.constant([IDS[row]])}
    inputs["padding_mask"] = tf.ones_like(inputs["token_ids"])
    return model.logits(inputs)[0].numpy()


@pytest.mark.parametrize("words", [None, [5, 6, 7, 8, 9, 200]])
def test_replies_are_as_likely_as_in_the_whole_model(model, words):
    upper = UpperLanguageModel(model, 1, words)
    states = reply_states(upper, IDS, OWN, batch_size=2)
    inputs, weights = states.batch([[2, 0], [1, 2]])
    found = upper(inputs).numpy()
    assert found.shape == (2, 2, 3) == weights.shape
    for place, row in zip(np.ndindex(2, 2), (2, 0, 1, 2), strict=True):
        scores = _scores(model, row)
        if words is not None:
            others = np.delete(np.arange(scores.shape[-1]), words)
            scores[:, others] = -np.inf
        likely = tf.nn.log_softmax(scores).numpy()
        wanted = [
            likely[at - 1, IDS[row][at]] for at in np.flatnonzero(np.array(OWN[row]))
        ]
        np.testing.assert_allclose(found[place][weights[place] > 0], wanted, atol=1e-5)


def test_only_factors_above_the_cut_train(model):
    upper = UpperLanguageModel(model, 1)
    assert [v.path for v in upper.trainable_variables] == [
        v.path for v in model.trainable_variables
    ]
    assert upper.frozen_weights


def test_it_is_saved_with_its_words(model, tmp_path):
    upper = UpperLanguageModel(model, 1, [5, 6, 7, 8, 9])
    inputs, _ = reply_states(upper, IDS, OWN).batch([0, 1])
    upper.save(tmp_path / "upper.keras")
    loaded = keras.models.load_model(tmp_path / "upper.keras")
    np.testing.assert_allclose(loaded(inputs), upper(inputs), atol=1e-6)


def test_what_cannot_be_cut_is_told(model):
    with pytest.raises(BaseLearnerError, match="has to be from 1 to 1"):
        UpperLanguageModel(model, 2)
    whole = make_scratch_causal_lm(
        num_layers=2, hidden_dim=8, num_heads=2, lora_rank=2, seed=1
    )
    with pytest.raises(BaseLearnerError, match="make the model with lora_blocks=1"):
        UpperLanguageModel(whole, 1)
    upper = UpperLanguageModel(model, 1, [5, 6])
    with pytest.raises(BaseLearnerError, match="not among the words"):
        reply_states(upper, IDS, OWN)
