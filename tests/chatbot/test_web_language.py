"""The page of a bot whose replies a language model writes."""

import pytest
from chatbot.words import client
from serving.small_exports import language_client

pytest.importorskip("starlette")

from starlette.testclient import TestClient

from maml_tf.chatbot import Chatbot
from maml_tf.chatbot.web import OpenBots, create_app


@pytest.fixture
def call(tmp_path):
    def open_bot(name):
        store, model = tmp_path / "bots.sqlite", language_client()
        return Chatbot(client(), store, bot=name, language_model=model)

    app = create_app(OpenBots(open_bot, lambda: ["shop"]))
    with TestClient(app, base_url="http://localhost") as page:

        def asked(name, **fields):
            answer = page.post(f"/api/{name}", json={"bot": "shop", **fields})
            assert answer.status_code == 200, answer.text
            return answer.json()

        yield asked


def test_replies_are_judged_and_adapt_it(call):
    call("teach", intent="light", examples=["turn on the lamp"], responses=["aaaa"])
    call("teach", intent="music", examples=["play a song"], responses=["aaaa"])
    first = call("reply", text="turn on the lamp")
    assert first["kind"] == "generated" and first["intent"] == "light"
    judged = {name: first[name] for name in ("text", "intent", "kind", "asked")}
    call("thumbs", **judged, up=False)
    second = call("reply", text="turn on the lamp")
    assert second["text"] != first["text"]
    # To more than the language model reads, the bot says what it was taught.
    long = call("reply", text="turn on the lamp " * 10)
    assert (long["kind"], long["text"]) == ("answer", "aaaa")
