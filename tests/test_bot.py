"""A bot as a user of scikit-learn would write it."""

import pickle

import numpy as np
import pytest
from serving.small_exports import exports

from maml_tf import Bot
from maml_tf.serving import Client, RequestError

TEXTS = ["turn on the lamp", "lights on", "play a song", "some music", "stop", "halt"]
LABELS = ["light", "light", "music", "music", "end", "end"]
ASKED = ["lamp on", "play music", "halt"]


@pytest.fixture(scope="module")
def bot():
    return Bot(exports("prototypical").learner).fit(TEXTS, LABELS)


def test_it_answers_as_the_export_does(bot):
    client = Client(exports("prototypical").folder)
    expected = client.classify(TEXTS, LABELS, ASKED)
    assert list(bot.predict(ASKED)) == expected.intents
    assert list(bot.classes_) == ["end", "light", "music"]
    columns = [expected.class_names.index(name) for name in bot.classes_]
    np.testing.assert_allclose(
        bot.predict_proba(ASKED), expected.probabilities[:, columns], atol=1e-6
    )
    np.testing.assert_array_equal(bot.in_scope(ASKED), expected.in_scope)
    same = Bot(exports("prototypical").folder).fit(TEXTS, LABELS)
    np.testing.assert_allclose(
        same.predict_proba(ASKED), bot.predict_proba(ASKED), atol=1e-6
    )


def test_columns_are_in_the_order_of_the_classes_whatever_these_are():
    learner = exports("prototypical").learner
    numbers = np.array([10, 10, 9, 9, 100, 100])
    bot = Bot(learner).fit(np.array(TEXTS), numbers)
    assert bot.classes_.tolist() == [9, 10, 100]  # as text, 100 would be before 9
    assert bot.predict(TEXTS).tolist() == numbers.tolist()
    chances = bot.predict_proba(TEXTS)
    assert bot.classes_[chances.argmax(axis=1)].tolist() == numbers.tolist()
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-5)
    assert bot.score(TEXTS, numbers) == 1.0
    assert bot.score(TEXTS, numbers[::-1]) == pytest.approx(1 / 3)


def test_more_texts_than_one_request_takes_are_answered(bot):
    many = [f"{text} {number}" for number in range(400) for text in ASKED]
    assert len(bot.predict(many)) == 1200
    # Beside other texts one is padded otherwise, which single precision shows.
    np.testing.assert_allclose(
        bot.predict_proba(many)[-2:], bot.predict_proba(many[-2:]), rtol=1e-6
    )


def test_a_bot_can_be_pickled_and_taught_anew(bot):
    copy = pickle.loads(pickle.dumps(Bot(str(exports("prototypical").folder))))
    copy.fit(TEXTS, LABELS)
    kept = pickle.loads(pickle.dumps(copy))
    np.testing.assert_array_equal(kept.predict(ASKED), copy.predict(ASKED))
    copy.fit(TEXTS[:4], LABELS[:4])
    assert list(copy.classes_) == ["light", "music"]
    assert copy.predict_proba(ASKED).shape == (3, 2)


@pytest.mark.parametrize(
    ("texts", "labels", "sentence"),
    [
        (TEXTS, LABELS[:2], "6 texts and 2 labels"),
        ("hello", ["a"], "not one string"),
        (["a b", "b c"], ["x", "x"], "two intents or more"),
        ([], [], "two intents or more"),
        (["a b", "b c"], ["x", None], r"labels\[1\] is None"),
        (["a b", "b c"], [1, "1"], "read the same"),
    ],
)
def test_what_cannot_be_learned_is_said_in_a_sentence(bot, texts, labels, sentence):
    with pytest.raises(RequestError, match=sentence):
        Bot(bot.model).fit(texts, labels)


def test_a_bot_that_was_taught_nothing_says_so(bot):
    with pytest.raises(RequestError, match="call fit"):
        Bot(bot.model).predict(ASKED)
    with pytest.raises(TypeError, match="not an object of type int"):
        Bot(3).fit(TEXTS, LABELS)


def test_scikit_learn_takes_it_for_a_classifier():
    selection = pytest.importorskip("sklearn.model_selection")
    bot = Bot(str(exports("prototypical").folder))
    scores = selection.cross_val_score(bot, TEXTS, LABELS, cv=2)
    assert scores.shape == (2,) and (scores >= 0).all()
