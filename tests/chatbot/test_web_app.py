"""The calls of the chatbot's page, on a chatbot without a model."""

import json
import sqlite3

import pytest

pytest.importorskip("starlette")

from chatbot.fake_chatbot import FakeChatbot
from starlette.testclient import TestClient

from maml_tf.chatbot.web import OpenBots, create_app
from maml_tf.chatbot.web.request_bodies import LARGEST_CALL, LARGEST_FILE
from maml_tf.serving import ServiceError

JSON_TYPE = {"Content-Type": "application/json"}
FILE_TYPE = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def fakes():
    return {}


@pytest.fixture
def client(fakes):
    bots = OpenBots(
        lambda name: fakes.setdefault(name, FakeChatbot()), lambda: sorted(fakes)
    )
    app = create_app(bots)
    with TestClient(
        app, base_url="http://localhost", raise_server_exceptions=False
    ) as client:
        yield client


def call(client, name, status=200, **fields):
    answer = client.post(f"/api/{name}", json={"bot": "bot", **fields})
    assert answer.status_code == status, answer.text
    return answer.json()


def teach(client, **more):
    call(client, "teach", intent="light", examples=["lamp on"], responses=["On."])
    call(client, "teach", intent="music", examples=["play a song"], **more)


def test_the_page_and_its_pieces_are_served(client):
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    for name in ("chat.js", "theme.js", "base.css", "chat.css", "icon.svg"):
        assert name in page.text
        assert client.get(f"/{name}").status_code == 200
    script = client.get("/chat.js")
    assert "javascript" in script.headers["content-type"]


def test_teach_ask_correct_undo(client):
    assert call(client, "reply", text="hello")["kind"] == "untaught"
    teach(client)
    reply = call(client, "reply", text="lamp")
    assert (reply["text"], reply["intent"]) == ("On.", "light")
    assert reply["because"][0]["text"] == "lamp on"
    assert [one["intent"] for one in reply["alternatives"]] == ["light", "music"]
    assert call(client, "correct", text="louder", intent="music")["added"] == 1
    assert call(client, "never", text="who is it")["intent"] is None
    bot = client.get("/api/bot?bot=bot").json()
    assert [one["examples"] for one in bot["intents"]] == [
        ["lamp on"],
        ["play a song", "louder"],
    ]
    assert bot["negatives"] == ["who is it"]
    assert bot["history"][-1]["summary"] == "never who is it"
    call(client, "undo")
    assert client.get("/api/bot?bot=bot").json()["negatives"] == []


def test_thumbs_bring_back_the_answer_that_was_given(client, fakes):
    teach(client)
    reply = call(client, "reply", text="lamp")
    judged = {name: reply[name] for name in ("text", "intent", "kind")}
    call(client, "thumbs", **judged, asked="lamp", up=False)
    ((kept, up),) = fakes["bot"].judged
    assert (kept.text, kept.intent, kept.asked, up) == ("On.", "light", "lamp", False)
    said = call(client, "thumbs", 400, **judged, asked="lamp", up="yes")
    assert "true or false" in said["error"]
    said = call(client, "thumbs", 400, **{**judged, "intent": None}, asked="a", up=True)
    assert "intent has to be a text" in said["error"]


def test_forgetting(client):
    teach(client)
    assert call(client, "forget_example", intent="light", text="lamp on") == {
        "removed": 1
    }
    assert call(client, "forget", intent="music") == {"removed": 1}
    said = call(client, "forget", intent="music", status=400)
    assert "no intent" in said["error"]


def test_everybody_sees_the_same_bot_and_that_it_changed(client, fakes):
    before = client.get("/api/revision?bot=bot").json()["revision"]
    teach(client)
    after = client.get("/api/revision?bot=bot").json()["revision"]
    assert after > before
    call(client, "teach", bot="desk", intent="hello", examples=["hi"])
    assert client.get("/api/bots").json()["bots"] == ["bot", "desk"]
    assert list(fakes["desk"].known) == ["hello"]
    assert "hello" not in fakes["bot"].known


def test_export_then_import_into_another_bot(client, fakes):
    teach(client)
    text = client.get("/api/export?bot=bot&format=jsonl").text
    done = client.post(
        "/api/import?bot=twin&name=bot.jsonl", content=text, headers=FILE_TYPE
    )
    assert done.json()["examples"] == 2
    assert fakes["twin"].known.keys() == fakes["bot"].known.keys()
    wrong = client.get("/api/export?bot=bot&format=exe")
    assert wrong.status_code == 400 and "rasa or jsonl" in wrong.json()["error"]


def test_a_file_that_is_none_is_refused_by_its_own_name(client):
    done = client.post(
        "/api/import?bot=bot&name=../../half.yml", content=b"{", headers=FILE_TYPE
    )
    assert done.status_code == 400
    assert done.json()["error"].startswith("half.yml is not readable")


@pytest.mark.parametrize("name", ["..", "/", ".", "a/..", ""])
def test_a_file_of_an_odd_name_lands_nowhere_else(client, name):
    done = client.post(
        "/api/import", params={"name": name}, content=b"{", headers=FILE_TYPE
    )
    assert done.status_code == 400 and "not readable" in done.json()["error"]


def test_the_map(client):
    teach(client)
    places = client.get("/api/map?bot=bot").json()["places"]
    assert {(one["text"], one["intent"]) for one in places} == {
        ("lamp on", "light"),
        ("play a song", "music"),
    }


@pytest.mark.parametrize(
    "body, sentence",
    [
        (b"{", "no JSON"),
        (b"[]", "JSON object"),
        (b"[" * 100_000, "too deeply"),
        (b"\xff\xfe", "no JSON"),
        (b'{"bot": "bot"}', "text has to be a text"),
        (b'{"bot": 3, "text": "a"}', "bot has to be a text"),
        (b'{"bot": "bot", "text": ["a"]}', "text has to be a text"),
        (b'{"bot": "bot", "text": "\\ud800"}', "half a character"),
        (b'{"bot": "bot", "text": " "}', "is empty"),
        (b'{"bot": "", "text": "a"}', "name of the bot is empty"),
        (b'{"bot": "a\\u0000b", "text": "a"}', "NUL character"),
        (b'{"bot": "' + b"n" * 201 + b'", "text": "a"}', "of a bot has 201"),
    ],
)
def test_what_is_no_call_is_refused_in_a_sentence(client, body, sentence):
    answer = client.post("/api/reply", content=body, headers=JSON_TYPE)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


def test_lists_of_texts(client):
    said = call(client, "teach", intent="a", examples="b", status=400)
    assert "list of texts" in said["error"]
    said = call(client, "teach", intent="a", examples=["b", 1], status=400)
    assert "examples[1]" in said["error"]


def test_what_is_too_large_is_refused_and_nothing_kept(client, fakes):
    said = call(client, "reply", text="a" * LARGEST_CALL, status=413)
    assert "1 MB" in said["error"]
    file = client.post(
        "/api/import?name=big.yml", content=b"a" * (LARGEST_FILE + 1), headers=FILE_TYPE
    )
    assert file.status_code == 413 and "10 MB" in file.json()["error"]
    assert not fakes


@pytest.mark.parametrize(
    "error, status, sentence",
    [
        (OSError(28, "No space left on device"), 507, "No space left on device"),
        (sqlite3.OperationalError("database or disk is full"), 507, "disk is full"),
        (ServiceError("The model is away."), 503, "The model is away."),
        (ZeroDivisionError("secret"), 500, "its log says why"),
    ],
)
def test_failures_are_sentences_too(
    client, fakes, monkeypatch, error, status, sentence
):
    def fail(*_):
        raise error

    teach(client)
    monkeypatch.setattr(fakes["bot"], "teach", fail)
    said = call(client, "teach", intent="a", examples=["b"], status=status)
    assert sentence in said["error"] and "secret" not in said["error"]


def test_unknown_paths_and_methods(client):
    assert client.get("/api/nothing").status_code == 404
    answer = client.get("/api/reply")
    assert answer.status_code == 405 and answer.json()["error"]
    assert client.get("/../app.py").status_code == 404


def test_calls_of_many_people_at_once(client, fakes):
    from concurrent.futures import ThreadPoolExecutor

    def person(number):
        call(client, "teach", intent=f"i{number % 4}", examples=[f"text {number}"])
        return call(client, "reply", text=f"text {number}")["kind"]

    with ThreadPoolExecutor(16) as people:
        kinds = list(people.map(person, range(64)))
    assert set(kinds) == {"answer"}
    kept = [text for texts, _ in fakes["bot"].known.values() for text in texts]
    assert sorted(kept) == sorted(f"text {number}" for number in range(64))


def test_answers_are_json_that_browsers_read(client):
    teach(client)
    answer = client.post("/api/reply", json={"bot": "bot", "text": "<b>lamp</b> ’"})
    assert json.loads(answer.text)["intent"] == "light"
