"""Vocabularies made from characters and learned from texts."""

import pytest

from maml_tf.base_learners import (
    BaseLearnerError,
    character_vocabulary,
    create_model,
    learn_vocabulary,
)

TEXTS = ["turn on the kitchen light", "turn off the kitchen light"] * 20


def test_characters_spell_any_ascii_word():
    model = create_model(num_layers=1, hidden_dim=8, sequence_length=16)
    vocabulary = model.preprocessor.tokenizer.get_vocabulary()
    ids = model.preprocessor(["Fig. 2!"])["token_ids"][0].numpy()
    tokens = [vocabulary[index] for index in ids if vocabulary[index] != "[PAD]"]
    assert tokens == ["[CLS]", "f", "##i", "##g", ".", "2", "!", "[SEP]"]


def test_learning_is_deterministic_and_bounded():
    tokens = learn_vocabulary(TEXTS, 140)
    assert tokens == learn_vocabulary(TEXTS, 140)
    assert len(tokens) == len(set(tokens)) <= 140
    assert "kitchen" in tokens
    assert set(character_vocabulary()) <= set(tokens)


def test_a_learned_vocabulary_is_used():
    tokens = learn_vocabulary(TEXTS, 140)
    model = create_model(vocabulary=tokens, num_layers=1, hidden_dim=8)
    ids = model.preprocessor(["kitchen"])["token_ids"][0, :3].numpy()
    assert [tokens[index] for index in ids] == ["[CLS]", "kitchen", "[SEP]"]


@pytest.mark.parametrize(("texts", "size"), [([], 200), (["", " "], 200), (TEXTS, 50)])
def test_impossible_vocabularies_are_refused(texts, size):
    with pytest.raises(BaseLearnerError, match="vocabulary"):
        learn_vocabulary(texts, size)
