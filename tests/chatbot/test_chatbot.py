"""Taught, asked, corrected, undone: one bot in the hands of a person."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import numpy as np
import pytest
from chatbot.words import client

from maml_tf.chatbot import Chatbot
from maml_tf.serving import NEGATIVE, Limits, RequestError, ServiceError, TenantStore

TRACK = ["where is my parcel", "when will my parcel arrive"]
REFUND = ["I want my money back", "refund my money please"]


@pytest.fixture
def bot(tmp_path):
    made = Chatbot(client(), tmp_path / "bots.sqlite", bot="shop")
    made.teach("track", TRACK, ["It is on its way.", "It comes tomorrow."])
    made.teach("refund", REFUND, ["You get it back."])
    return made


def model(bot):
    return bot.client.transport


def held(bot):
    return bot.intents(), bot.negatives(), bot.verdicts()


def test_a_taught_bot_answers_and_says_why(bot):
    reply = bot.reply(" where is my parcel? ")
    assert reply.kind == "answer" and reply.intent == "track"
    assert reply.text in ("It is on its way.", "It comes tomorrow.")
    assert reply.alternatives[0].intent == "track" and reply.margin > 0
    assert reply.confidence == reply.alternatives[0].probability > 0.5
    assert [why.text for why in reply.because] == TRACK
    # The weights add up to the cosine with the intent's prototype.
    vectors = bot.client.embed([*TRACK, "where is my parcel?"])
    prototype = vectors[:2].sum(axis=0) / np.linalg.norm(vectors[:2].sum(axis=0))
    assert sum(why.weight for why in reply.because) == pytest.approx(
        float(prototype @ vectors[2]), abs=1e-6
    )


def test_what_it_does_not_know_it_says_and_asks(bot):
    reply = bot.reply("play some jazz")
    assert reply.kind == "unsure" and reply.intent is None and reply.margin < 0
    assert {a.intent for a in reply.alternatives} == {"track", "refund"}
    assert "do not know" in reply.text and "track" in reply.text
    assert {why.intent for why in reply.because} == {"track", "refund"}
    taught = bot.correct("play some jazz", "music")
    assert taught.added == 1 and bot.reply("play some jazz").intent == "music"


def test_between_two_it_asks_which(bot):
    reply = bot.reply("my parcel my money")
    assert reply.kind == "between" and reply.intent is None
    assert reply.text in (
        "Do you mean track or refund?",
        "Do you mean refund or track?",
    )


def test_it_knows_that_it_knows_too_little(tmp_path):
    bot = Chatbot(client(), tmp_path / "bots.sqlite")
    assert bot.reply("hello").kind == "untaught"
    assert bot.reply("你好").text.startswith("我还什么都不会")
    bot.teach("greet", ["hello"])
    one = bot.reply("hello")
    assert one.kind == "untaught" and "greet" in one.text and one.confidence == 0
    bot.never("buy now")
    assert bot.reply("hello there").intent == "greet"
    assert bot.reply("buy now please").kind == "unsure"


def test_responses_take_turns(bot):
    said = [bot.reply("where is my parcel").text for _ in range(6)]
    assert all({*said[n : n + 2]} == {*said[:2]} for n in (0, 2, 4))
    assert len({*said}) == 2


def test_slots_are_filled_from_patterns(bot):
    bot.teach("fly", ["fly to {city}", "a plane to {city} now"], ["To {city}, then!"])
    assert bot.reply("Fly to New York!").text == "To New York, then!"
    assert bot.reply("to fly").text == "Please say it again, with city."
    bot.teach("fly", [], ["Where to?"])
    assert bot.reply("to fly").text == "Where to?"
    assert bot.reply("fly to Oslo").text == "To Oslo, then!"


def test_a_bot_without_responses_names_the_intent(bot):
    bot.teach("lost_card")
    reply = bot.reply("lost card")
    assert reply.intent == "lost_card" and "lost_card" in reply.text
    assert [i.examples for i in bot.intents() if i.name == "lost_card"] == [
        ["lost card"]
    ]


def test_a_sentence_is_read_once(bot):
    bot.reply("where is my parcel")
    model(bot).embedded.clear()
    bot.teach("track", ["has it been sent"])
    assert model(bot).embedded == ["has it been sent"]
    model(bot).calls.clear()
    bot.reply("where is it")
    assert model(bot).calls == {"embed": 1, "predict_vectors": 1}


def test_another_process_finds_all_learned(bot, tmp_path):
    bot.reply("where is my parcel")
    other = Chatbot(client(), tmp_path / "bots.sqlite", bot="shop")
    assert held(other) == held(bot)
    assert other.reply("where is my parcel").intent == "track"
    assert model(other).calls["adapt_vectors"] == 0
    assert model(other).embedded == ["where is my parcel"]
    bot.teach("greet", ["hello"])
    assert other.reply("hello").intent == "greet"
    assert Chatbot.bots(tmp_path / "bots.sqlite") == ["shop"]
    assert Chatbot.bots(tmp_path / "none.sqlite") == []
    assert not (tmp_path / "none.sqlite").exists()


def test_a_new_version_of_the_model_is_learned_anew(bot):
    bot.reply("where is my parcel")
    model(bot).version = 2
    assert bot.reply("where is my parcel").intent == "track"
    assert TRACK[0] in model(bot).embedded


@pytest.mark.parametrize("threshold", [0.3, 0.99])
def test_older_exports_answer_alike(tmp_path, threshold):
    replies = []
    for vectors in (True, False):
        where = tmp_path / f"{vectors}.sqlite"
        bot = Chatbot(client(vectors=vectors, threshold=threshold), where)
        bot.teach("track", TRACK)
        bot.teach("refund", REFUND)
        replies.append(bot.reply("where is the parcel"))
    assert replies[0] == replies[1]


def test_a_tenant_store_serves_the_same_bot(bot, tmp_path):
    store = TenantStore(tmp_path / "bots.sqlite", bot.client)
    assert store.predict("shop", ["where is my parcel"]).intents == ["track"]
    store.add("shop", [("thanks a lot", "thank")])
    assert bot.reply("thanks a lot").intent == "thank"
    store.delete("shop")
    assert held(bot) == ([], [], []) and bot.history() == []


def test_corrections_move_a_text(bot):
    bot.teach("refund", ["my parcel is late"])
    taught = bot.correct("My  parcel is LATE", "track")
    assert taught.added == 1
    names = {i.name: i.examples for i in bot.intents()}
    assert names == {"refund": REFUND, "track": [*TRACK, "My  parcel is LATE"]}
    assert bot.never("my parcel is late").intent == NEGATIVE
    assert bot.negatives() == ["my parcel is late"]
    assert bot.reply("my parcel is late").kind == "unsure"
    again = bot.correct("my parcel is late", "track")
    assert again.added == 1 and bot.negatives() == []


def test_contradictions_are_pointed_out(bot):
    both = bot.teach("refund", [TRACK[0]])
    assert "'track'" in both.warnings[0] and "both" in both.warnings[0]
    bot.undo()
    noisy = bot.correct("when will the parcel arrive", "refund")
    (warning,) = noisy.warnings
    assert "looks like 'track'" in warning and TRACK[1] in warning
    assert bot.teach("track", ["is my parcel on its way"]).warnings == []


CHANGES = {
    "teach": lambda bot: bot.teach("new", ["a b c"], ["d"]),
    "more": lambda bot: bot.teach("track", ["a b c", TRACK[0]], ["d"]),
    "correct": lambda bot: bot.correct(TRACK[0], "refund"),
    "never": lambda bot: bot.never(TRACK[0]),
    "forget": lambda bot: bot.forget("track"),
    "forget one": lambda bot: bot.forget_example("track", TRACK[0].upper()),
    "thumbs": lambda bot: bot.thumbs(bot.reply(TRACK[0]), up=False),
    "import": lambda bot: bot.import_file(_rasa_beside(bot)),
}


def _rasa_beside(bot):
    path = bot.memory.file.path + ".yml"
    with open(path, "w") as file:
        file.write(
            "nlu:\n- intent: track\n  examples: |\n    - new one\n    - where is my "
            "parcel\n- intent: third\n  examples: |\n    - third one\nresponses:\n"
            '  utter_third:\n  - text: "third!"\n'
        )
    return path


@pytest.mark.parametrize("name", CHANGES)
def test_undo_restores_just_what_was(bot, name):
    before, answer = held(bot), bot.reply("where is it")
    CHANGES[name](bot)
    assert held(bot) != before
    (event,) = bot.history()[2:]
    assert bot.undo() == event.summary
    assert held(bot) == before
    after = bot.reply("where is it")
    assert (after.alternatives, after.because) == (
        answer.alternatives,
        answer.because,
    )
    kinds = [event.kind for event in bot.history()]
    assert kinds == ["teach", "teach", event.kind, "undo"]


def test_undo_goes_on_to_the_beginning(bot):
    bot.forget("refund")
    assert bot.undo().startswith("forgot refund: 2 examples")
    assert bot.undo() == "taught refund: 2 examples, 1 response"
    bot.undo()
    assert held(bot) == ([], [], [])
    with pytest.raises(RequestError, match="nothing to undo"):
        bot.undo()


def test_what_changes_nothing_is_no_event(bot):
    before = len(bot.history())
    assert bot.teach("track", [TRACK[0].upper()]).added == 0
    assert bot.correct(TRACK[0], "track").added == 0
    assert len(bot.history()) == before


def test_thumbs(bot):
    first = bot.reply(TRACK[0])
    bot.thumbs(first, up=False)
    said = {bot.reply(TRACK[0].upper()).text for _ in range(4)}
    assert said == {"It is on its way.", "It comes tomorrow."} - {first.text}
    assert len({bot.reply(TRACK[1]).text for _ in range(2)}) == 2
    liked = bot.reply("where is my big parcel")
    assert bot.thumbs(liked, up=True).added == 1
    assert "where is my big parcel" in bot.intents()[1].examples
    with pytest.raises(RequestError, match="no answer"):
        bot.thumbs(bot.reply("play some jazz"), up=True)


BAD = {
    "empty text": (lambda b: b.reply(" \u200b"), "The text is empty"),
    "enormous text": (lambda b: b.reply("a " * 10_000), "has 20000 bytes.*at most"),
    "no text": (lambda b: b.reply(None), "has to be a text, not None"),
    "bytes": (lambda b: b.reply(b"a"), "not bytes"),
    "half an emoji": (lambda b: b.never("\ud83d"), "half a character"),
    "NUL": (lambda b: b.correct("a\0b", "x"), "NUL"),
    "empty example": (lambda b: b.teach("x", ["a", ""]), "Example 2 is empty"),
    "empty response": (lambda b: b.teach("x", ["a"], [""]), "Response 1 is empty"),
    "no list": (lambda b: b.teach("x", 7), "examples has to be a list"),
    "punctuation": (lambda b: b.teach("?!…", ["a"]), "no letter or digit"),
    "a long name": (lambda b: b.correct("a", "a" * 1000), "1000 characters"),
    "two lines": (lambda b: b.teach("a\nb", ["a"]), "line break"),
    "reserved": (lambda b: b.teach(NEGATIVE, ["a"]), "another name"),
    "nothing": (lambda b: b.teach("track"), "Give examples or responses"),
    "no words": (lambda b: b.teach("x1"), "holds no word"),
    "no intent": (lambda b: b.forget("trakc"), "no intent 'trakc'.*'track'"),
    "no example": (lambda b: b.forget_example("track", "a"), "no example of 'track'"),
    "no format": (lambda b: b.export_text("xml"), "rasa or jsonl"),
    "no folder": (lambda b: b.export_file("/no/such/x.yml"), "cannot be written"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_a_sentence(bot, case):
    call, message = BAD[case]
    before = held(bot), bot.history()
    with pytest.raises(RequestError, match=message) as refused:
        call(bot)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 300
    assert (held(bot), bot.history()) == before


def test_more_than_the_model_takes_is_refused(tmp_path):
    limits = Limits(examples=3)
    bot = Chatbot(client(), tmp_path / "bots.sqlite", limits=limits)
    bot.teach("a", ["1 one", "2 two"])
    with pytest.raises(RequestError, match=r"4 examples.*at most 3"):
        bot.teach("b", ["3", "4"])
    assert len(bot.intents()) == 1
    bot.teach("b", ["3"])
    assert bot.correct("2 two", "b").added == 1


def test_what_the_model_refuses_or_misses_is_stored_and_said(tmp_path):
    bot = Chatbot(client(most=2), tmp_path / "bots.sqlite")
    bot.teach("a", ["one", "two"])
    assert "at most 2" in bot.teach("b", ["three"]).warnings[0]
    bot.undo()
    model(bot).error = ServiceError("away")
    assert "away" in bot.teach("b", ["three"]).warnings[0]
    model(bot).error, model(bot).most = None, 9
    assert bot.reply("three").intent == "b"


def test_threads_share_a_bot(bot):
    def work(number):
        bot.teach(f"intent {number % 5}", [f"word{number}"])
        return bot.reply(f"word{number}").intent

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, range(40)))
    assert found == [f"intent {number % 5}" for number in range(40)]
    assert sum(len(i.examples) for i in bot.intents()) == 44


def test_the_map_has_a_place_for_each_example(bot):
    places = bot.map()
    assert [(p.text, p.intent) for p in places] == [
        *((text, "track") for text in TRACK),
        *((text, "refund") for text in REFUND),
    ]
    xs = {p.intent: p.x for p in places}
    assert xs["track"] * xs["refund"] < 0
    bot.forget("refund")
    assert len(bot.map()) == 2
    bot.forget("track")
    assert bot.map() == []


def test_a_full_disk_refuses_teaching_and_still_replies(bot):
    before = held(bot), bot.history()
    with bot.memory.file.transaction() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(RequestError, match="full disk; make room"):
        bot.teach("long", [f"{n} " + "word " * 1900 for n in range(30)])
    assert (held(bot), bot.history()) == before
    model(bot).version = 2  # all is to be learned, and nothing of it can be kept
    assert bot.reply(TRACK[0]).intent == "track"


def test_it_loads_no_tensorflow():
    code = "import maml_tf.chatbot, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not {"tensorflow", "keras"} & {*done.stdout.split()}


def test_replies_are_plain_data(bot):
    stored = json.loads(json.dumps(asdict(bot.reply(TRACK[0]))))
    assert stored["asked"] == TRACK[0] and stored["because"][0]["intent"] == "track"
