"""Names of classes: read as words in Python and in a graph alike."""

import numpy as np
import pytest
import tensorflow as tf

from maml_tf import PrototypicalNetwork
from maml_tf.base_learners import create_text_encoder
from maml_tf.bot import Bot
from maml_tf.episodes.class_names import (
    name_as_words,
    reads_like_words,
    texts_of_names,
)
from maml_tf.serving import RequestError
from maml_tf.serving.class_names import are_words, with_names, words_of
from maml_tf.serving.signatures import ServedLearner

NAMES = {
    "card_arrival": "card arrival",
    "Refund_not_showing_up": "refund not showing up",
    "HTTPServerDown": "http server down",
    "smart-home/turn.on": "smart home turn on",
    "éclairÉteint": "éclair éteint",
    "天气_查询": "天气 查询",
    "नमस्ते": "नमस्ते",
    "  two   words ": "two words",
    "iOSApp2Go": "i os app 2 go",
    "reset-my-PIN!": "reset my pin",
    "yes": "yes",
    "no": "no",
}
NO_WORDS = {
    "intent_17": "intent 17",
    "intent17": "intent 17",
    "A": "a",
    "Q42": "q 42",
    "class one": "class one",
    "FAQ_12": "faq 12",
    "4711": "4711",
    "__": "",
    "🍕": "",
}


@pytest.mark.parametrize("name", [*NAMES, *NO_WORDS])
def test_python_and_graphs_read_a_name_alike(name):
    words = {**NAMES, **NO_WORDS}[name]
    assert name_as_words(name) == words
    assert words_of(tf.constant([name])).numpy()[0].decode() == words
    assert reads_like_words(words) == (name in NAMES)
    assert bool(are_words(tf.constant([words]))[0]) == (name in NAMES)


def added(texts, numbers, names):
    found = with_names(tf.constant(texts), tf.constant(numbers), tf.constant(names))
    return found[0].numpy().tolist(), found[1].numpy().tolist()


def test_a_telling_name_is_one_more_example():
    texts, numbers = added(["x", "y", "z"], [0, 1, 1], ["lost_card", "intent_2"])
    assert texts == [b"x", b"y", b"z", b"lost card"] and numbers == [0, 1, 1, 0]


def test_names_that_read_the_same_tell_nothing():
    texts, numbers = added(["x", "y"], [0, 1], ["lost_card", "lostCard"])
    assert texts == [b"x", b"y"] and numbers == [0, 1]


def test_an_intent_that_is_taught_by_its_name_is_taught_by_its_words():
    texts, _ = added(["lost_card", "y"], [0, 1], ["lost_card", "bye_bye"])
    assert texts == [b"lost card", b"y", b"lost card", b"bye bye"]


@pytest.fixture(scope="module")
def served():
    encoder = create_text_encoder(num_layers=1, hidden_dim=8, normalize=True, seed=0)
    network = PrototypicalNetwork(encoder, scale=10.0)
    return [ServedLearner(network, class_names=named) for named in (False, True)]


def probabilities(served, texts, labels, query="where has my card got to"):
    answer = served.classify(*map(tf.constant, (texts, labels, [query])))
    return answer["probabilities"].numpy()


def test_the_exported_graph_takes_a_name_for_an_example(served):
    plain, named = served
    texts, labels = ["my card", "so long"], ["card_arrival", "intent_2"]
    told = ([*texts, "card arrival"], [*labels, "card_arrival"])
    np.testing.assert_allclose(
        probabilities(named, texts, labels), probabilities(plain, *told), atol=1e-6
    )
    assert (
        np.abs(
            probabilities(named, texts, labels) - probabilities(plain, texts, labels)
        ).max()
        > 1e-4
    )


def test_names_that_are_no_words_change_nothing(served):
    plain, named = served
    request = (["my card", "so long"], ["intent_17", "A"])
    np.testing.assert_array_equal(
        probabilities(named, *request), probabilities(plain, *request)
    )


def test_an_intent_is_taught_by_its_name_alone(served):
    plain, named = served
    by_name = probabilities(named, ["card_arrival", "bye"], ["card_arrival", "leave"])
    told = ["card arrival", "bye", "leave"], ["card_arrival", "leave", "leave"]
    np.testing.assert_allclose(by_name, probabilities(plain, *told), atol=1e-6)


@pytest.mark.parametrize("name", [*NO_WORDS])
def test_a_name_that_is_no_word_teaches_nothing_alone(name):
    with pytest.raises(ValueError, match="holds no word to learn from"):
        texts_of_names(["lost_card", name])


def test_names_that_read_the_same_are_refused():
    with pytest.raises(ValueError, match="'lost_card' and 'LostCard' both read"):
        texts_of_names(["lost_card", "arrival", "LostCard"])


def test_a_bot_learns_intents_by_name_beside_taught_ones(served):
    bot = Bot(served[0].learner)
    bot.fit(["my card is gone"], ["lost"], named=["play_music", "buy a ticket"])
    assert bot.classes_.tolist() == ["buy a ticket", "lost", "play_music"]
    asked = ["play music", "my card is gone", "buy a ticket"]
    assert bot.predict(asked).tolist() == ["play_music", "lost", "buy a ticket"]
    with pytest.raises(RequestError, match="'A' holds no word"):
        bot.fit(["hello"], ["greet"], named=["A"])
