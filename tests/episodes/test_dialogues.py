import json

import numpy as np
import pytest

from maml_tf.base_learners import NextTokenLoss
from maml_tf.base_learners.chat_template import ChatTemplate
from maml_tf.base_learners.scratch_causal_lm import make_scratch_causal_lm
from maml_tf.episodes import CorpusError
from maml_tf.episodes.dialogue_readers import read_dialogues
from maml_tf.episodes.dialogue_tokens import encode_dialogues
from maml_tf.episodes.dialogues import Dialogue, DialogueCorpus, Turn
from maml_tf.episodes.persona_episodes import persona_episodes

SIDES = ("support", "query")
TEMPLATE = ChatTemplate((250,), (251,), (252,), (253, 254))


def _bytes(texts):
    return [list(text.encode()) for text in texts]


def _read(folder, *rows):
    path = folder / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return read_dialogues(path)


def _spoken(dialogue):
    return [(turn.text, turn.own) for turn in dialogue.turns]


def test_every_second_turn_is_the_persons(tmp_path):
    row = {"persona_id": 7, "persona": ["i sing."], "turns": ["hi", "hello!", "bye"]}
    (dialogue,) = _read(tmp_path, row).dialogues
    assert _spoken(dialogue) == [("hi", False), ("hello!", True), ("bye", False)]
    assert dialogue.group == "7"
    assert dialogue.persona == ("i sing.",)


def test_the_assistant_of_a_chat_is_the_person(tmp_path):
    row = {
        "group": "ann",
        "messages": [
            {"role": "system", "content": "You are Ann."},
            {"role": "user", "content": "hi"},
            {"role": "user", "content": "there"},
            {"role": "assistant", "content": "hello!"},
        ],
    }
    (dialogue,) = _read(tmp_path, row).dialogues
    assert _spoken(dialogue) == [("hi there", False), ("hello!", True)]
    assert dialogue.persona == ("You are Ann.",)


def test_convai2_is_read(tmp_path):
    path = tmp_path / "train_self.txt"
    path.write_text(
        "1 your persona: i sing.\n2 hi\thello!\t\ta|b\n3 and you?\tfine\t\ta|b\n"
        "1 your persona: i run.\n2 partner's persona: i sit.\n3 hey\tho\n"
    )
    corpus = read_dialogues(path)
    assert [d.group for d in corpus.dialogues] == ["i sing.", "i run."]
    assert _spoken(corpus.dialogues[0])[2:] == [("and you?", False), ("fine", True)]
    assert "1 lines about the partner left aside" in corpus.summary()


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"group": "a", "turns": ["hi"]}, "line 1, has no turn of the person"),
        ({"group": "a", "turns": ["hi", " "]}, "turn 2 has no text"),
        ({"group": "a", "turns": "hi"}, "no list of turns"),
        ({"turns": ["hi", "ho"]}, "whose dialogue it is"),
        ({"group": "a", "turns": [{"role": "boss", "content": "x"}]}, "role 'boss'"),
        ({"group": "a", "turns": [3, "x"]}, "turn 1 is not an object"),
        ({"group": "a", "turns": ["hi", "a\0b"]}, "NUL"),
        ({"group": ["a"], "turns": ["hi", "ho"]}, "group"),
    ],
)
def test_a_broken_row_is_said_with_its_line(tmp_path, row, says):
    with pytest.raises(CorpusError, match=says):
        _read(tmp_path, row)


@pytest.mark.parametrize("text", ["", "\n", "hello\n", "{", "[]\n", "1 hi\n"])
def test_what_is_no_dialogue_is_said(tmp_path, text):
    path = tmp_path / "file.txt"
    path.write_text(text)
    with pytest.raises(CorpusError, match=r"file\.txt"):
        read_dialogues(path)


def _corpus(people=10, dialogues=4):
    return DialogueCorpus(
        tuple(
            Dialogue(
                str(person),
                (Turn(f"hi {person}", False), Turn("ho" * (1 + number), True)),
            )
            for person in range(people)
            for number in range(dialogues)
        ),
        "made",
    )


def test_people_are_split_by_the_last_digit_of_their_number():
    corpus = _corpus(20)
    parts = {n: corpus.split(n).groups for n in ("train", "validation", "test")}
    assert parts["validation"] == ("7", "17")
    assert parts["test"] == ("8", "9", "18", "19")
    assert sorted(sum(parts.values(), ()), key=int) == [str(n) for n in range(20)]
    with pytest.raises(CorpusError, match="none of them in the split 'validation'"):
        _corpus(3).split("validation")
    assert _corpus(3).with_at_least(3).groups == ("0", "1", "2")
    with pytest.raises(CorpusError, match="nobody of 3 has more than 4"):
        _corpus(3).with_at_least(5)


def test_the_persons_tokens_and_the_end_of_their_turns_are_learned():
    encoded = encode_dialogues(_corpus(1, 1), _bytes, TEMPLATE, max_length=64)
    inputs, weights = encoded.batch([0], 16)
    said = [250, 251, *b"hi 0", 253, 254, 252, *b"ho", 253, 254]
    assert inputs["token_ids"][0].tolist() == [*said, *[0] * (16 - len(said))]
    assert inputs["padding_mask"].sum() == len(said)
    assert inputs["places"][0, :5].tolist() == [9, 10, 11, 12, 1]
    assert np.flatnonzero(weights[0]).tolist() == [0, 1, 2, 3]


def test_asking_for_own_tokens_alone_changes_no_loss():
    """Also where a dialogue has fewer of them, and where the person speaks first."""
    dialogues = (
        Dialogue("a", (Turn("hi", False), Turn("a longer answer", True))),
        Dialogue("a", (Turn("so", False), Turn("ho", True))),
        Dialogue("a", (Turn("I", True), Turn("who?", False), Turn("I!", True))),
    )
    template = ChatTemplate((), (), (), (3,))
    encoded = encode_dialogues(
        DialogueCorpus(dialogues, "made"), _bytes, template, max_length=64
    )
    model = make_scratch_causal_lm(num_layers=1, hidden_dim=8, num_heads=2)
    inputs, weights = encoded.batch([[0, 1], [1, 2]], 32)
    assert weights.shape[:2] == (2, 2)
    own = np.zeros((2, 2, 32), "float32")
    for place, row in zip(np.ndindex(2, 2), (0, 1, 1, 2), strict=True):
        own[(*place, slice(1, len(encoded.own[row])))] = encoded.own[row][1:]
    places = inputs.pop("places")
    loss = NextTokenLoss(reduction=None)
    everywhere = loss(own, model(inputs))
    asked = loss(weights, model({**inputs, "places": places}))
    np.testing.assert_allclose(asked, everywhere, rtol=1e-5)
    assert everywhere.numpy().min() > 1


def test_turns_that_do_not_fit_are_left_off_and_counted():
    turns = (Turn("hi", False), Turn("ho", True), Turn("x" * 9, False), Turn("y", True))
    corpus = DialogueCorpus((Dialogue("a", turns),), "one")
    encoded = encode_dialogues(corpus, _bytes, TEMPLATE, max_length=20)
    assert encoded.cropped == 1
    assert encoded.lengths.tolist() == [11]
    with pytest.raises(CorpusError, match="within 8 tokens"):
        encode_dialogues(corpus, _bytes, TEMPLATE, max_length=8)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_a_dialogue_is_cropped_when_a_turn_of_the_person_is_left_off(count):
    turns = tuple(Turn("hi", place % 2 == 1) for place in range(count))
    corpus = DialogueCorpus((Dialogue("a", turns),), "one")
    # One token begins the dialogue, and a turn takes one, two and the two of its end;
    # what the other says last is not learned from.
    learned = 1 + 5 * (count - count % 2)
    whole, short = (
        encode_dialogues(corpus, _bytes, TEMPLATE, max_length=length)
        if length >= 11
        else None
        for length in (learned, learned - 1)
    )
    assert (whole.cropped, whole.lengths.tolist()) == (0, [learned])
    if short:
        assert (short.cropped, short.lengths.tolist()) == (1, [learned - 10])


def test_the_persona_is_shown_only_when_asked_for():
    turns = (Turn("hi", False), Turn("ho", True))
    corpus = DialogueCorpus((Dialogue("a", turns, ("i sing.",)),), "one")
    plain, shown = (
        encode_dialogues(corpus, _bytes, TEMPLATE, max_length=64, show_persona=show)
        for show in (False, True)
    )
    assert bytes(b for b in plain.token_ids[0] if b < 128) == b"hiho"
    assert bytes(b for b in shown.token_ids[0] if b < 128) == b"i sing.hiho"
    assert shown.own[0].sum() == plain.own[0].sum()


def test_a_task_is_one_person_and_its_number_decides_it():
    encoded = encode_dialogues(_corpus(), _bytes, TEMPLATE, max_length=64)

    def batches(steps, start):
        return list(
            persona_episodes(
                encoded,
                support=(1, 2),
                query=2,
                tasks_per_batch=3,
                steps=steps,
                start_step=start,
            ).as_numpy_iterator()
        )

    drawn = [batches(6, 0), batches(2, 4)]
    for (x, y), (x_again, y_again) in zip(drawn[0][4:], drawn[1], strict=True):
        np.testing.assert_array_equal(x["support_targets"], x_again["support_targets"])
        np.testing.assert_array_equal(y, y_again)
    sizes = {x["support_targets"].shape[1] for x, _ in drawn[0]}
    assert sizes == {1, 2}
    for x, y in drawn[0]:
        support, query = (x[f"{side}_inputs"]["token_ids"] for side in SIDES)
        assert query.shape[:2] == y.shape[:2] == (3, 2)
        dialogues = np.concatenate([support, query], axis=1)
        digits = dialogues[:, :, 5]  # after start, before_user, "hi "
        assert (digits == digits[:, :1]).all()
        assert all(len(np.unique(of, axis=0)) == len(of) for of in dialogues)
    with pytest.raises(CorpusError, match="0 of 10 people have so many"):
        persona_episodes(encoded, support=3, query=2)


def test_people_of_few_dialogues_are_in_the_tasks_that_take_fewer():
    """Most people of a corpus may have two dialogues, and few have four."""
    dialogues = tuple(
        Dialogue(name, (Turn(f"hi {name}{n}", False), Turn("ho", True)))
        for name, count in (("a", 2), ("b", 4), ("c", 2), ("d", 4), ("e", 2))
        for n in range(count)
    )
    corpus = DialogueCorpus(dialogues, "few")
    encoded = encode_dialogues(corpus, _bytes, TEMPLATE, max_length=64)
    drawn: dict[int, set[int]] = {}
    for x, _ in persona_episodes(
        encoded, support=(1, 3), query=1, tasks_per_batch=2, steps=40
    ).as_numpy_iterator():
        ids = x["support_inputs"]["token_ids"]
        drawn.setdefault(ids.shape[1], set()).update(ids[:, 0, 5].tolist())
    letters = {k: bytes(sorted(of)).decode() for k, of in drawn.items()}
    assert letters == {1: "abcde", 2: "bd", 3: "bd"}
