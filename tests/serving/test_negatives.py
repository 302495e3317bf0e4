"""What is for no intent, thresholds of single intents, and intents by name alone."""

import numpy as np
import pytest
from serving.small_exports import LABELS, QUERIES, SUPPORT, exports

from maml_tf import Bot
from maml_tf.serving import NEGATIVE, Client, RequestError, TenantStore

WEATHER = ["will it rain", "how warm is it"]


@pytest.fixture(scope="module")
def client():
    with Client(exports("prototypical").folder) as made:
        yield made


def test_a_negative_example_takes_its_like_out_of_scope(client):
    asked = [*WEATHER, *SUPPORT]
    texts, labels = [*SUPPORT, *WEATHER], [*LABELS, NEGATIVE, NEGATIVE]
    plain = client.classify(texts, [*LABELS, "rain", "warm"], asked)
    answers = client.classify(texts, labels, asked)
    assert answers.class_names == ["light", "music"]
    assert {*answers.intents} <= {"light", "music"} and answers.in_scope.shape == (6,)
    # Each is a class of its own, so no mean of unlike sentences stands for them.
    by_name = {name: place for place, name in enumerate(plain.class_names)}
    np.testing.assert_allclose(
        answers.probabilities,
        plain.probabilities[:, [by_name["light"], by_name["music"]]],
        atol=1e-5,
    )
    nearest = np.array(plain.intents)
    assert {*nearest[:2]} == {"rain", "warm"}
    assert not answers.in_scope[np.isin(nearest, ["rain", "warm"])].any()
    # The same from a state, and with one intent beside them.
    state = client.adapt(texts, labels)
    again = client.predict(state, asked)
    assert again.intents == answers.intents
    np.testing.assert_array_equal(again.in_scope, answers.in_scope)
    lone = client.classify([SUPPORT[0], *WEATHER], ["light", *labels[-2:]], WEATHER)
    assert lone.intents == ["light"] * 2 and not lone.in_scope.any()
    with pytest.raises(RequestError, match="All examples are negative"):
        client.adapt(WEATHER, [NEGATIVE] * 2)


def test_a_threshold_of_an_intent_decides_on_it_alone(client):
    plain = client.classify(SUPPORT, LABELS, QUERIES)
    for threshold in (0.0, 1.0):
        for intent in ("light", "music"):
            answers = client.classify(
                SUPPORT, LABELS, QUERIES, thresholds={intent: threshold}
            )
            is_it = np.array(plain.intents) == intent
            expected = np.where(is_it, threshold == 0, plain.in_scope)
            np.testing.assert_array_equal(answers.in_scope, expected)
    state = client.adapt(SUPPORT, LABELS)
    for wrong, sentence in (
        ({"lamp": 0.5}, "'lamp', which is no intent of this bot; it has light, music"),
        ({"light": 2}, "between 0 and 1, not 2"),
        ({"light": float("nan")}, "between 0 and 1, not nan"),
        ({"light": None}, "between 0 and 1, not None"),
    ):
        with pytest.raises(RequestError, match=sentence):
            client.predict(state, QUERIES, thresholds=wrong)


def test_an_intent_is_taught_by_its_name_alone(client):
    answers = client.classify(SUPPORT, LABELS, ["lost card"], named=["lost_card"])
    assert answers.intents == ["lost_card"]
    state = client.adapt(SUPPORT, LABELS, named=["lost_card"])
    assert client.predict(state, ["lost card"]).intents == ["lost_card"]
    with pytest.raises(RequestError, match="'intent_17' holds no word"):
        client.adapt(SUPPORT, LABELS, named=["intent_17"])


def test_a_store_and_a_bot_know_all_of_it(client, tmp_path):
    store = TenantStore(tmp_path / "bots.sqlite", client)
    store.add("house", zip(SUPPORT, LABELS, strict=True))
    store.add("house", [(text, NEGATIVE) for text in WEATHER])
    store.add_named("house", ["lost_card"])
    with pytest.raises(RequestError, match="holds no word"):
        store.add_named("house", ["intent_17"])
    answers = store.predict("house", ["lost card", *WEATHER])
    assert answers.class_names == ["light", "lost_card", "music"]
    assert answers.intents[0] == "lost_card" and not answers.in_scope[1:].any()
    strict = store.predict("house", ["lost card"], thresholds={"lost_card": 1.0})
    assert not strict.in_scope[0]
    bot = Bot(client).fit([*SUPPORT, *WEATHER], [*LABELS, NEGATIVE, NEGATIVE])
    assert bot.classes_.tolist() == ["light", "music"]
    assert bot.predict_proba(WEATHER).shape == (2, 2)
    assert not bot.in_scope(WEATHER).any()
