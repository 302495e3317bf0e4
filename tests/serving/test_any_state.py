"""Whatever a bot is taught or a state holds: the right shapes, or a sentence."""

import numpy as np
import pytest

pytest.importorskip("hypothesis")

from fuzzing import TEXT, fuzz
from hypothesis import given
from hypothesis import strategies as st

from maml_tf.bot import Bot
from maml_tf.default_learner import default_learner
from maml_tf.serving import AdaptedState, RequestError, StaleStateError

QUERIES = ["on", "what?"]
ODD = st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -1.0, 1e38, 3e9, 0.5])


@pytest.fixture(scope="module")
def bot():
    learner = default_learner("scratch:num_layers=1,hidden_dim=8")
    return Bot(learner).fit(["on", "on now", "off"], ["yes", "yes", "no"])


def is_sentence(error):
    text = str(error)
    assert text.strip() and "Traceback" not in text and "\n" not in text, text
    assert len(text) < 400, text


@fuzz(60)
@given(rows=st.lists(st.tuples(TEXT, TEXT), max_size=5), query=TEXT)
def test_a_bot_of_any_sentences(bot, rows, query):
    other = Bot(bot.model)
    try:
        other.fit([text for text, _ in rows], [label for _, label in rows])
        chances = other.predict_proba([query])
    except RequestError as error:
        is_sentence(error)
        return
    assert chances.shape == (1, len(other.classes_)) and np.isfinite(chances).all()
    assert {str(c) for c in other.classes_} == {label for _, label in rows} - {"(none)"}


@fuzz(60)
@given(
    changes=st.lists(st.tuples(st.integers(0, 400), ODD), max_size=4),
    length=st.one_of(st.none(), st.integers(0, 60)),
    names=st.one_of(st.none(), st.lists(TEXT, max_size=3)),
)
def test_a_state_with_any_numbers(bot, changes, length, names):
    learned = bot.client.adapt(["on", "off"], ["yes", "no"])
    values = learned.values.copy()
    for place, value in changes:
        values[place % len(values)] = value
    names = learned.class_names if names is None else names
    try:
        found = bot.client.predict(AdaptedState(values[:length], names), QUERIES)
    except RequestError as error:
        is_sentence(error)
        return
    assert found.class_names == names == learned.class_names
    assert found.probabilities.shape == (2, 2)
    assert np.isfinite(found.probabilities).all()


@fuzz(120)
@given(
    stored=st.one_of(st.binary(max_size=60), st.just(b"")),
    cut=st.integers(0, 80),
    change=st.tuples(st.integers(0, 80), st.integers(0, 255)),
)
def test_bytes_that_are_no_state(stored, cut, change):
    whole = AdaptedState(np.arange(8, dtype="float32"), ["a", "b"]).to_bytes()
    place, value = change
    broken = bytearray(whole)
    broken[place % len(whole)] = value
    for given_bytes in (stored, whole[:cut], bytes(broken)):
        try:
            state = AdaptedState.from_bytes(given_bytes)
        except StaleStateError as error:
            is_sentence(error)
            continue
        assert state.values.dtype == np.float32 and isinstance(state.class_names, list)
