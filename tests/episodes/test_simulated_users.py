"""Users with hidden tastes, the replies they judge, and tasks of them."""

from types import SimpleNamespace

import numpy as np
import pytest

from maml_tf.episodes.corpus import CorpusError
from maml_tf.episodes.dialogues import Dialogue, DialogueCorpus, Turn
from maml_tf.episodes.feedback_episodes import (
    draw_feedback_task,
    feedback,
    feedback_episodes,
)
from maml_tf.episodes.reply_pool import ReplyPool, draw_reply_pool
from maml_tf.episodes.simulated_users import User, draw_pairs, draw_user
from maml_tf.episodes.tastes import HELD_OUT, TASTES, length_of, training_words

LONG = [
    f"well the garden number {n} grows all of that in the long summer" for n in "abc"
]
SHORT = [f"the {n} grows well" for n in "defghi"]
ASKING = [f"the {n} grows well ?" for n in "jklmno"]
REPLIES = [*LONG, *SHORT, *ASKING]
BY_NAME = {taste.name: taste for part in TASTES.values() for taste in part}


def _pairs(name, sign, count, contexts=None):
    contexts = np.zeros(len(REPLIES)) if contexts is None else contexts
    random = np.random.default_rng(0)
    return draw_pairs(User(BY_NAME[name], sign), REPLIES, contexts, count, random)


def test_the_liked_reply_is_first_and_no_reply_comes_twice():
    for sign in (1, -1):
        pairs = _pairs("asks back", sign, 5)
        assert len(set(pairs.ravel())) == 10
        for liked, other in pairs:
            assert ("?" in REPLIES[liked]) == (sign == 1)
            assert ("?" in REPLIES[other]) == (sign == -1)


def test_only_a_taste_for_length_compares_replies_of_unlike_length():
    for liked, other in _pairs("asks back", 1, 6):
        assert abs(length_of(REPLIES[liked]) - length_of(REPLIES[other])) <= 2
    for liked, other in _pairs("length", -1, 3):
        assert length_of(REPLIES[other]) - length_of(REPLIES[liked]) >= 4


def test_a_pair_has_one_context():
    contexts = np.arange(len(REPLIES)) % 2
    for liked, other in _pairs("asks back", 1, 3, contexts):
        assert contexts[liked] == contexts[other]


def test_too_few_replies_are_told():
    with pytest.raises(CorpusError, match="'food' tells 0 pairs of 15 replies apart"):
        _pairs("food", 1, 1)


def test_training_users_look_at_no_word_that_others_look_at():
    replies = ["i love my dog ? 3 !", "you and i love food", "two sons love music"]
    words = training_words(replies, least=0, most=1)
    assert set(words) == {"and", "dog", "music"}
    random = np.random.default_rng(0)
    users = [draw_user("train", random, words) for _ in range(200)]
    named = {taste.name for taste in TASTES["train"]}
    drawn = {user.taste.name for user in users} & named
    assert 60 < sum(user.taste.name in named for user in users) < 140
    assert len(drawn) > 15
    of_words = [user.taste for user in users if user.taste.name not in named]
    assert any(taste.score("my dog") for taste in of_words)


def test_a_taste_for_words_has_two_to_six_of_them():
    random = np.random.default_rng(0)
    for words, counts in (("abcdefgh", {2, 3, 4, 5, 6}), ("abc", {2, 3})):
        users = [draw_user("train", random, words) for _ in range(200)]
        drawn = [user.taste.name.split(" | ") for user in users]
        assert {len(of) for of in drawn if of[0] in words} == counts


def test_no_word_or_mark_of_a_held_out_taste_moves_a_training_taste():
    assert len({taste.name for part in TASTES.values() for taste in part}) == sum(
        len(part) for part in TASTES.values()
    )
    for taste in TASTES["train"]:
        assert taste.score(" ".join(sorted(HELD_OUT))) == 0, taste.name
    for taste in TASTES["test"]:
        assert taste.score("the garden grows") == (3 if taste.of_length else 0)


def _corpus():
    dialogues = [
        Dialogue(str(n), (Turn(f"how are you {n} ?", False), Turn(reply, True)))
        for n, reply in enumerate(REPLIES)
    ]
    return DialogueCorpus(tuple(dialogues), "garden")


def test_a_pool_has_what_users_look_at():
    pool = draw_reply_pool(
        _corpus(), replies=12, contexts=2, words=(4, 5), tastes=[BY_NAME["asks back"]]
    )
    assert len(set(pool.replies)) == 12 == len(pool.context_of)
    assert set(pool.context_of) == {0, 1}
    assert set(pool.replies) <= set(REPLIES) - set(LONG)
    two = pool.dialogues().dialogues[3]
    assert [turn.own for turn in two.turns] == [False, True]
    assert two.turns[1].text == pool.replies[3]
    with pytest.raises(CorpusError, match="0 replies of 40 to 50 words"):
        draw_reply_pool(_corpus(), replies=2, contexts=1, words=(40, 50))


def _encoded():
    """Each reply as its own number, twice."""
    return SimpleNamespace(
        batch=lambda rows: (
            {"ids": np.stack([rows, rows], -1).astype("int32")},
            np.ones((*rows.shape, 2), "float32"),
        )
    )


def test_feedback_is_signed_and_a_thumb_is_one_reply():
    pairs = np.array([[3, 4], [5, 6]])
    inputs, targets = feedback(_encoded(), pairs)
    assert inputs["ids"].shape == (2, 2, 2)
    assert targets[..., 0].tolist() == [[1, -1], [1, -1]]
    inputs, targets = feedback(_encoded(), pairs, np.array([0, 1]))
    assert inputs["ids"][..., 0].tolist() == [[3], [6]]
    assert targets[..., 0].tolist() == [[1], [-1]]


@pytest.mark.parametrize("thumbs", [False, True])
def test_a_batch_is_a_function_of_seed_and_number(thumbs):
    pool = ReplyPool(tuple(REPLIES), ("hi",), np.zeros(len(REPLIES), int))

    def user(random):
        return User(BY_NAME["asks back"], 1)

    def batches(start):
        return feedback_episodes(
            pool,
            _encoded(),
            user,
            support=(1, 3),
            query=2,
            thumbs=thumbs,
            start_step=start,
            steps=2,
        )

    (_, (x, y)), (again, judged) = list(batches(0)), next(iter(batches(1)))
    replies = 1 if thumbs else 2
    assert x["support_inputs"]["ids"].shape[2:] == (replies, 2)
    assert y.shape == (2, 2, 2, 2)
    for one, two in ((x["query_inputs"], again["query_inputs"]), (y, judged)):
        np.testing.assert_array_equal(
            *(t["ids"] if isinstance(t, dict) else t for t in (one, two))
        )
    support = x["support_inputs"]["ids"].numpy()
    query = x["query_inputs"]["ids"].numpy()
    assert not set(support[0].ravel()) & set(query[0].ravel())


def test_thumbs_go_both_ways():
    pool = ReplyPool(tuple(REPLIES), ("hi",), np.zeros(len(REPLIES), int))
    task = draw_feedback_task(
        pool,
        lambda random: User(BY_NAME["asks back"], -1),
        support=4,
        query=1,
        random=np.random.default_rng(0),
    )
    assert sorted(task.thumbs) == [0, 0, 1, 1]
    assert "?" not in REPLIES[task.query[0, 0]]


def test_users_are_drawn_until_one_tells_enough_replies_apart():
    pool = ReplyPool(tuple(REPLIES), ("hi",), np.zeros(len(REPLIES), int))
    fed, asking = User(BY_NAME["food"], 1), User(BY_NAME["asks back"], 1)
    shape = {"support": 2, "query": 1, "random": np.random.default_rng(0)}
    users = iter([fed, fed, asking])
    assert draw_feedback_task(pool, lambda random: next(users), **shape).user is asking
    with pytest.raises(CorpusError, match="'food' tells 0 pairs"):
        draw_feedback_task(pool, lambda random: fed, **shape)
