"""What is no text is refused by name, before anything is sent."""

import sys

import numpy as np
import pytest
import tensorflow as tf

from maml_tf.serving import AdaptedState, Client, RequestError
from maml_tf.serving.texts import encoded_texts, is_blank

NO_TEXTS = [None, 0, 1.5, float("nan"), True, ["a"], {"b64": "YQ=="}, np.float32(1)]


@pytest.mark.parametrize("value", NO_TEXTS, ids=repr)
def test_the_entry_that_is_no_text_is_named(value):
    # Nothing listens there: a request that was sent would fail in another way.
    client = Client("http://127.0.0.1:9", "shop")
    calls = {
        "support_texts[1]": lambda: client.classify(["a", value], ["x", "y"], ["q"]),
        "support_labels[0]": lambda: client.adapt(["a", "b"], [value, "y"]),
        "query_texts[2]": lambda: client.predict(
            AdaptedState(np.ones(1, "float32"), ["x"]), ["q", "q", value]
        ),
        "texts[0]": lambda: client.embed([value]),
    }
    for place, call in calls.items():
        with pytest.raises(RequestError) as refused:
            call()
        assert str(refused.value).startswith(f"{place} has to be a text, not ")


@pytest.mark.parametrize("texts", [{"a": 1}, {"a"}, None, 5])
def test_what_is_no_list_is_told_as_such(texts):
    with pytest.raises(TypeError, match="query_texts has to be a list of texts"):
        encoded_texts(texts, "query_texts")


def test_half_an_emoji_is_refused_and_a_whole_one_is_not():
    assert encoded_texts(["\U0001f600", b"\xff"], "texts") == [
        b"\xf0\x9f\x98\x80",
        b"\xff",
    ]
    with pytest.raises(RequestError, match=r"texts\[0\] .* half a character"):
        encoded_texts(["well done \ud83d"], "texts")


def test_python_and_the_graph_call_the_same_characters_blank():
    points = [p for p in range(sys.maxunicode + 1) if not 0xD800 <= p < 0xE000]
    characters = [chr(p) for p in points]
    seen = tf.strings.regex_replace(tf.constant(characters), r"[\s\pZ\pC]+", "")
    in_graph = tf.equal(seen, "").numpy()
    in_python = np.array([*map(is_blank, characters)])
    # An export must not refuse what a store of examples took.
    assert [hex(points[i]) for i in np.flatnonzero(in_graph & ~in_python)] == []
    assert in_python.sum() == in_graph.sum()
