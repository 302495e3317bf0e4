import keras
import numpy as np
import pytest
import tensorflow as tf

from maml_tf.base_learners import (
    BaseLearnerError,
    CausalLanguageModel,
    NextTokenLoss,
    create_causal_lm,
    next_token,
)
from maml_tf.base_learners.contracts import GenerativeBaseLearner
from maml_tf.inner_loop.shared_layers import split_model

TINY = "scratch:num_layers=2,hidden_dim=16,num_heads=2"


@pytest.fixture
def few_words_at_a_time(monkeypatch):
    monkeypatch.setattr(next_token, "_WORDS_AT_A_TIME", 7)


def _plain(hidden, words, ids):
    scores = tf.nn.log_softmax(tf.einsum("blw,vw->blv", hidden[:, :-1], words))
    return tf.pad(tf.gather(scores, ids[:, 1:], batch_dims=2), [[0, 0], [1, 0]])


def _derivatives(function, hidden, words, ids):
    """The value, both first derivatives and both derivatives of a sum of these."""
    with tf.GradientTape() as outer:
        outer.watch([hidden, words])
        with tf.GradientTape() as inner:
            inner.watch([hidden, words])
            found = function(hidden, words, ids)
            total = tf.reduce_sum(found**2)
        first = inner.gradient(total, [hidden, words])
        mixed = tf.reduce_sum(first[0] ** 2) + tf.reduce_sum(first[1] ** 3)
    return [found, *first, *outer.gradient(mixed, [hidden, words])]


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_parts_of_the_vocabulary_give_what_all_of_it_gives(few_words_at_a_time, mode):
    random = np.random.default_rng(0)
    hidden = tf.constant(random.normal(size=(2, 5, 4)))
    words = tf.constant(random.normal(size=(17, 4)))
    ids = tf.constant(random.integers(0, 17, (2, 5)), tf.int32)

    def run(*given):
        return _derivatives(next_token.next_token_log_likelihoods, *given)

    if mode != "eager":
        run = tf.function(run, jit_compile=mode == "xla", autograph=False)
    wanted = _derivatives(_plain, hidden, words, ids)
    for ours, plain in zip(run(hidden, words, ids), wanted, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-10, atol=1e-10)


def test_very_large_scores_do_not_overflow(few_words_at_a_time):
    hidden = tf.constant([[[300.0], [-300.0], [0.0]]])
    words = tf.reshape(tf.range(-8.0, 9.0), [17, 1])
    ids = tf.constant([[0, 16, 0]])
    found = next_token.next_token_log_likelihoods(hidden, words, ids)
    np.testing.assert_allclose(found, [[0.0, 0.0, 0.0]], atol=1e-5)


def test_the_loss_counts_the_tokens_that_are_learned_and_every_text_the_same():
    loss = NextTokenLoss()
    targets = [[0.0, 1.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    scores = [[-9.0, -1.0, -9.0], [-9.0, -2.0, -4.0], [-9.0, -9.0, -9.0]]
    assert float(loss(targets, scores)) == pytest.approx((1 + 3 + 0) / 3)


def test_its_call_is_the_log_softmax_of_its_logits():
    model = create_causal_lm(TINY, seed=1)
    ids = tf.constant([list(b"hello"), list(b"world")])
    inputs = {"token_ids": ids, "padding_mask": tf.ones_like(ids)}
    scores = tf.nn.log_softmax(model.logits(inputs))[:, :-1]
    wanted = tf.gather(scores, ids[:, 1:], batch_dims=2)
    np.testing.assert_allclose(model(inputs)[:, 1:], wanted, atol=1e-5)


def test_a_token_does_not_see_what_comes_after_it():
    model = create_causal_lm(TINY, seed=1)
    ids = np.array([list(b"hello there")])
    other = ids.copy()
    other[0, 6:] = 1
    mask = np.ones_like(ids)
    one, two = (
        model({"token_ids": i, "padding_mask": mask}).numpy() for i in (ids, other)
    )
    np.testing.assert_allclose(one[0, :6], two[0, :6], atol=1e-6)
    assert not np.allclose(one[0, 6:], two[0, 6:])


def test_layers_below_the_first_factor_run_once_a_task():
    model = create_causal_lm(TINY, lora_rank=2, lora_blocks=1, seed=1)
    assert isinstance(model, GenerativeBaseLearner)
    assert all("transformer_layer_1" in v.path for v in model.trainable_variables)
    split = split_model(model, model.trainable_variables)
    assert split.shares
    paths = [v.path for v in split.rest_variables]
    assert not any("transformer_layer_0" in path for path in paths)
    assert any("token_embedding" in path for path in paths)
    ids = tf.constant([list(b"hello")])
    inputs = {"token_ids": ids, "padding_mask": tf.ones_like(ids)}
    np.testing.assert_allclose(
        split.rest(split.shared(inputs, False), False), model(inputs), atol=1e-6
    )


def test_what_is_frozen_need_not_be_kept():
    model = create_causal_lm(TINY, lora_rank=2, seed=1)
    kept = {v.path for v in model.variables} - {v.path for v in model.frozen_weights}
    assert kept == {v.path for v in model.trainable_variables}
    assert create_causal_lm(TINY, lora_rank=None).frozen_weights == []


def test_a_saved_model_comes_back(tmp_path):
    model = create_causal_lm(TINY, lora_rank=2, seed=1)
    for variable in model.trainable_variables:
        variable.assign(variable + 0.1)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    ids = tf.constant([list(b"hello")])
    inputs = {"token_ids": ids, "padding_mask": tf.ones_like(ids)}
    np.testing.assert_allclose(loaded(inputs), model(inputs), atol=1e-6)
    assert loaded.chat_template == model.chat_template
    assert loaded.tokenize(["hi"]) == [[104, 105]]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: create_causal_lm("scratch:hidden_dim=10"), "twice num_heads=4"),
        (lambda: create_causal_lm(TINY, lora_rank=0), "lora_rank has to be at least 1"),
        (lambda: create_causal_lm(TINY, lora_blocks=3), "from 1 to 2"),
        (lambda: CausalLanguageModel(keras.Sequential()), "has no token_embedding"),
    ],
)
def test_what_cannot_be_is_said(make, says):
    with pytest.raises(BaseLearnerError, match=says):
        make()
