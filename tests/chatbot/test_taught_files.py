"""Bots as files: what goes out comes in again, and what is no bot is refused."""

import json

import pytest
from chatbot.words import client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maml_tf.chatbot import Chatbot, Imported
from maml_tf.chatbot.checks import checked_name, checked_text
from maml_tf.chatbot.files import export_text, read_bot
from maml_tf.chatbot.memory import Verdict
from maml_tf.chatbot.records import Intent
from maml_tf.episodes import read_corpus
from maml_tf.serving import Limits, RequestError

RASA = """
version: "3.1"
nlu:
- intent: greet
  examples: |
    - hi
    - 你好
- intent: faq/hours
  examples: |
    - when do you open in [Oslo](city)
- synonym: Oslo
  examples: |
    - oslo
responses:
  utter_greet:
  - text: "Hello!"
  - text: Hi {name}
    buttons: []
  - image: "http://x/y.png"
  utter_faq/hours:
  - text: "At 9."
  action_x:
  - text: "no"
rules: []
"""


@pytest.fixture
def bot(tmp_path):
    return Chatbot(client(), tmp_path / "bots.sqlite")


def test_rasa_with_responses(bot, write):
    found = bot.import_file(write("nlu.yml", RASA))
    assert (found.intents, found.examples, found.responses) == (2, 3, 3)
    assert any("named after no intent" in line for line in found.skipped)
    assert any("synonyms" in line for line in found.skipped)
    hours, greet = bot.intents()
    assert hours == Intent("faq/hours", ["when do you open in Oslo"], ["At 9."])
    assert greet == Intent("greet", ["hi", "你好"], ["Hello!", "Hi {name}"])
    assert bot.reply("你好").text == "Hello!"
    again = bot.import_file(write("nlu.yml", RASA))
    assert (again.intents, again.examples, again.responses) == (0, 0, 0)
    assert again.skipped[-1] == "3 examples that the bot has already"
    assert len(bot.history()) == 1


def test_json_lines_by_content(bot, write):
    lines = [
        {"text": "hi", "intent": "greet"},
        {"utterance": "so long", "label": "leave"},
        {"intent": "greet", "response": "Hello!"},
        {"text": "hi", "reply": "Go away.", "liked": False},
        {"text": "hm", "intent": "?!"},
        {"text": 7, "intent": "greet"},
    ]
    lines.append({"text": "hi", "reply": "\ud83d", "liked": True})
    path = write("bot.txt", "\n".join(map(json.dumps, lines)))
    found = bot.import_file(path)
    assert (found.intents, found.examples, found.responses) == (2, 2, 1)
    assert "no letter or digit" in found.skipped[0] and "not 7" in found.skipped[1]
    assert "half a character" in found.skipped[2]
    assert bot.verdicts() == [Verdict("hi", "Go away.", False)]


def test_responses_alone(bot, write):
    bot.teach("greet", ["hi"])
    path = write("domain.yml", 'responses:\n  utter_greet:\n  - text: "Hello!"\n')
    assert bot.import_file(path) == Imported(0, 0, 1, [])


REFUSED = {
    "half a YAML": ('nlu:\n- intent: "greet', "is not YAML"),
    "half a JSON": ('{"text": "hi", "inte', "line 1, is not JSON"),
    "a web page": (
        "<!DOCTYPE html>\n<html><body>: x</body></html>",
        "line 2, is not YAML",
    ),
    "prose": ("To whom it may concern,\n\nhello.", "no nlu section"),
    "JSON of another kind": ('{"a": 1}', "neither a text with an intent"),
    "a JSON list": ("[1, 2]", "is not an object"),
    "nothing": ("", "is empty"),
    "blanks": (" \n\n", "is empty"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00", "NUL byte"),
    "older Rasa": ("## intent:greet\n- hi\n", "older Markdown"),
    "no intents": ("nlu:\n- synonym: x\n  examples: |\n    - y\n", "nothing that can"),
    "responses as a list": ("nlu: []\nresponses:\n- a\n", "no names under responses"),
    "a response alone": ("nlu: []\nresponses:\n  utter_a: b\n", "no list of responses"),
    "bad verdict": ('{"text": "a", "reply": "b", "liked": 1}', "true or false"),
    "all unfit": ('{"text": " ", "intent": "a"}', "nothing that can be taught"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_bot_is_refused_and_nothing_changed(bot, write, case):
    content, message = REFUSED[case]
    bot.teach("greet", ["hi"])
    before = bot.intents(), bot.history()
    with pytest.raises(RequestError, match=message) as refused:
        bot.import_file(write("bot.yml", content))
    assert "\n" not in str(refused.value)
    assert (bot.intents(), bot.history()) == before


def test_files_that_are_not_there(bot, tmp_path):
    for path in (tmp_path / "none.yml", tmp_path, "", "a\0b"):
        with pytest.raises(RequestError):
            bot.import_file(path)


def test_too_many_examples_are_refused_as_a_whole(tmp_path, write):
    bot = Chatbot(client(), tmp_path / "b.sqlite", limits=Limits(examples=2))
    with pytest.raises(RequestError, match="3 examples"):
        bot.import_file(write("nlu.yml", RASA))
    assert bot.intents() == []


def _fit(check):
    def fits(value):
        try:
            return check(value) == value
        except RequestError:
            return False

    return fits


texts = st.text(min_size=1, max_size=20).filter(
    _fit(lambda text: checked_text(text, "x", Limits()))
)
names = st.text(min_size=1, max_size=20).filter(_fit(checked_name))
odd = st.sampled_from(
    [
        "yes",
        "null",
        "- a",
        "# b",
        "a: b",
        "'",
        '"',
        "on",
        "1",
        "{c}",
        "你好",
        "a\nb",
        "~",
    ]
)
intents = st.dictionaries(
    names | st.sampled_from(["yes", "null", "a: b", "# c", "1", "faq/x"]),
    st.tuples(
        st.lists(texts | odd, min_size=1, max_size=3, unique=True),
        st.lists(texts | odd, max_size=2, unique=True),
    ),
    min_size=1,
    max_size=3,
)


@pytest.mark.parametrize("format", ["jsonl", "rasa"])
@given(held=intents)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_what_goes_out_comes_in(format, held, tmp_path):
    bots = [Intent(name, *rows) for name, rows in held.items()]
    # In Rasa's format `[words](type)` marks an entity.
    if format == "rasa" and any("[" in t for bot in bots for t in bot.examples):
        return
    path = tmp_path / "bot.any"
    path.write_bytes(export_text(format, bots, ["none"], []).encode())
    found = read_bot(path)
    pairs = [(text, bot.name) for bot in bots for text in bot.examples]
    assert found.examples == [*pairs, ("none", "(none)")]
    said = [(bot.name, r) for bot in bots for r in bot.responses]
    assert found.responses == said


@given(content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_content_is_read_or_refused(content, bot, write):
    try:
        bot.import_file(write("bot.yml", content))
    except RequestError as error:
        assert "\n" not in str(error)


def test_exports_are_files_that_others_read(bot, tmp_path):
    bot.teach("greet", ["hi", "hello\nthere"], ["Hello!"])
    bot.never("buy now")
    for name in ("out.yml", "out.jsonl"):
        bot.export_file(tmp_path / name)
        other = Chatbot(client(), tmp_path / f"{name}.sqlite")
        other.import_file(tmp_path / name)
        assert (other.intents(), other.negatives()) == (bot.intents(), bot.negatives())
    corpus = read_corpus(tmp_path / "out.yml")
    assert corpus.texts == ("hi", "hello\nthere", "buy now")
