"""A page whose store may not grow further: it says so, and loses nothing."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from chatbot.words import client

from maml_tf.chatbot import Chatbot

pytest.importorskip("starlette")

ROOM = 300_000  # bytes of a file, its log included
# Teaches until that is refused, with a reply and a fetch of all after it.
PAGE = """
import json, sys
from chatbot.words import client
from starlette.testclient import TestClient
from maml_tf.chatbot import Chatbot
from maml_tf.chatbot.web import OpenBots, create_app

store = sys.argv[1]
bots = OpenBots(lambda name: Chatbot(client(), store, bot=name), lambda: ["shop"])
taught = []
with TestClient(create_app(bots), base_url="http://localhost") as page:
    def call(name, **fields):
        return page.post(f"/api/{name}", json={"bot": "shop", **fields})

    for number in range(500):
        text = f"word{number} " + "more " * 50
        answer = call("teach", intent="light", examples=[text])
        if answer.status_code != 200:
            break
        taught.append(text.strip())
    again = call("teach", intent="light", examples=["one more"])
    reply = call("reply", text="turn on the lamp")
    known = page.get("/api/bot?bot=shop")
print(json.dumps({
    "taught": taught,
    "refused": [answer.status_code, answer.json()["error"]],
    "again": again.status_code,
    "reply": [reply.status_code, reply.json()["intent"]],
    "known": len(known.json()["intents"][0]["examples"]),
}))
"""


def test_a_store_that_may_not_grow_says_so_and_keeps_what_it_took(tmp_path):
    store = tmp_path / "bots.sqlite"
    bot = Chatbot(client(), store, bot="shop")
    bot.teach("light", ["turn on the lamp"], ["It is on."])
    bot.teach("music", ["play a song"], ["There it is."])
    done = subprocess.run(
        [sys.executable, "-c", PAGE, str(store)],
        cwd=Path(__file__).parents[1],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    status, sentence = found["refused"]
    assert status == found["again"] == 507
    assert "Make room there and try again. Nothing was changed." in sentence
    assert found["taught"] and found["known"] == 1 + len(found["taught"])
    assert found["reply"] == [200, "light"]
    # With room again it goes on with all that it acknowledged.
    bot = Chatbot(client(), store, bot="shop")
    (light,) = [intent for intent in bot.intents() if intent.name == "light"]
    assert light.examples == ["turn on the lamp", *found["taught"]]
    assert bot.teach("light", ["one more"]).added == 1
