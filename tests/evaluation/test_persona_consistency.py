"""What counts as fitting a persona, and replies that are chosen instead of written."""

import numpy as np
import pytest

from maml_tf.evaluation.persona_consistency import consistency, touched_sentences
from maml_tf.evaluation.response_selection import ResponseSelection


@pytest.mark.parametrize(
    ("reply", "touched"),
    [
        ("My dogs love hiking", [0, 1]),
        ("what do you do?", []),
        ("THE DOG!", [0]),
        ("dogma", []),
        ("我最喜欢的是小猫", [2]),
        ("", []),
    ],
)
def test_content_words_in_common_are_what_counts(reply, touched):
    persona = ["i have a dog.", "i hiked and i hike in the hills.", "我有一只小猫。"]
    assert touched_sentences(reply, persona) == touched


def test_chance_is_the_mean_over_other_people():
    replies = ["I sail", "I bake", "hm", "I bake bread"]
    found = consistency(replies, ["sailing"], [["i bake."], ["i sail and i bake"]])
    assert found == (0.25, pytest.approx((0.5 + 0.75) / 2))
    with pytest.raises(ValueError, match="another person"):
        consistency(replies, ["sailing"], [])


def test_the_nearest_mean_of_occasions_chooses_the_reply():
    places = {"a": 0.0, "b": 1.0, "c": 10.0, "d": 4.0, "e": 6.0}

    def embed(texts):
        return np.array([[places[text]] for text in texts])

    # "no" was said at 0 and 10, so its mean is 5.
    exchanges = [("a", "no"), ("c", "no"), ("b", "yes")]
    selection = ResponseSelection(embed, exchanges)
    assert [selection.reply(text) for text in "abde"] == ["yes", "yes", "no", "no"]
    assert selection.size_in_bytes == 2 * 4 + len("no") + len("yes")
    with pytest.raises(ValueError, match="no reply to choose"):
        ResponseSelection(embed, [])
