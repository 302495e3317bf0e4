"""Slots, a bot's manner, and what a language model says in it."""

import time

import pytest
from chatbot.words import client

from maml_tf.chatbot import Chatbot
from maml_tf.chatbot.manner import dialogues_of
from maml_tf.chatbot.slots import values_in
from maml_tf.serving import RequestError, StaleStateError

SLOTS = {
    "a word": ("fly to Oslo", "fly to {city}", {"city": "Oslo"}),
    "more words": ("FLY  to New York !", "fly to {city}", {"city": "New York"}),
    "two": ("from A b to C", "from {a} to {b}", {"a": "A b", "b": "C"}),
    "Chinese": ("飞往北京。", "飞往{城市}", {"城市": "北京"}),
    "a mark at the end": ("to Oslo", "to {city}.", {"city": "Oslo"}),
    "twice the same": ("x is x", "{a} is {a}", {"a": "x"}),
    "twice another": ("x is y", "{a} is {a}", {}),
    "signs of expressions": ("is it (a+b)? x", "is it (a+b)? {w}", {"w": "x"}),
    "nothing there": ("fly to", "fly to {city}", {}),
    "no pattern": ("fly to Oslo", "fly to Oslo", {}),
    "too long": ("fly to " + "a" * 300, "fly to {city}", {}),
    "too many": ("a b c d", "{a} {b} {c} {d}", {}),
}


@pytest.mark.parametrize("case", SLOTS)
def test_slots(case):
    text, pattern, values = SLOTS[case]
    begin = time.monotonic()
    assert values_in(text, [pattern]) == values
    assert time.monotonic() - begin < 1


class Parrot:
    """A language model that says what it learned, and how it was asked."""

    def __init__(self):
        self.learned, self.asked, self.stale = [], [], False

    def adapt_dialogues(self, dialogues):
        self.learned.append(dialogues)
        self.stale = False
        return dialogues

    def generate(self, state, turns, *, temperature=0.0, seed=0, **_):
        if self.stale:
            raise StaleStateError("another version")
        self.asked.append((turns, temperature, seed))
        known = dict(state or []).get(turns[0], "squawk")
        return known if not seed else f" {known} {seed}"


@pytest.fixture
def bot(tmp_path):
    parrot = Parrot()
    made = Chatbot(client(), tmp_path / "b.sqlite", language_model=parrot)
    made.teach("greet", ["hi", "hey there"], ["Ahoy!"])
    made.teach("leave", ["so long"], ["Farewell, {name}!", "Fair winds!"])
    return made, parrot


def test_replies_are_generated_in_the_taught_manner(bot):
    made, parrot = bot
    reply = made.reply("hi")
    assert (reply.kind, reply.text, reply.intent) == ("generated", "Ahoy!", "greet")
    assert parrot.learned == [
        [["hi", "Ahoy!"], ["so long", "Fair winds!"], ["hey there", "Ahoy!"]]
    ]
    made.reply("hey there")
    assert len(parrot.learned) == 1
    assert made.reply("play jazz").kind == "unsure"


def test_thumbs_on_a_generated_reply_adapt_it(bot):
    made, parrot = bot
    reply = made.reply("hey hi there")
    assert reply.text == "squawk"
    made.thumbs(reply, up=True)
    made.reply("hey hi there")
    assert parrot.learned[-1][0] == ["hey hi there", "squawk"]
    made.thumbs(reply, up=False)
    second = made.reply("hey hi there")
    assert parrot.learned[-1] == parrot.learned[0]
    assert second.text == "squawk 1" and parrot.asked[-1][1] > 0
    made.thumbs(second, up=False)
    assert made.reply("hey hi there").text == "squawk 2"
    made.undo()
    assert made.reply("hey hi there").text == "squawk 1"


def test_without_anything_to_learn_from_the_model_replies_as_it_is(tmp_path):
    parrot = Parrot()
    made = Chatbot(client(), tmp_path / "b.sqlite", language_model=parrot)
    made.teach("a", ["one two"])
    made.teach("b", ["three four"])
    reply = made.reply("one two")
    assert (reply.kind, reply.text) == ("generated", "squawk")
    assert parrot.learned == []
    with pytest.raises(RequestError, match="no answer"):
        made.thumbs(made.reply("five"), up=False)


def test_another_version_of_the_language_model_learns_anew(bot):
    made, parrot = bot
    made.reply("hi")
    parrot.stale = True
    assert made.reply("hi").text == "Ahoy!"
    assert parrot.learned == [parrot.learned[0]] * 2


def test_dialogues_are_few_and_fair():
    examples = [(f"{intent} {n}", intent) for intent in "ab" for n in range(100)]
    found = dialogues_of(examples, [("a", "A"), ("b", "B"), ("b", "C")], [])
    assert len(found) == 64
    assert dialogues_of([("a", "a"), ("x" * 2001, "a")], [("a", "A")], []) == [
        ["a", "A"]
    ]
    assert found[:4] == [["a 0", "A"], ["b 0", "B"], ["a 1", "A"], ["b 1", "C"]]
