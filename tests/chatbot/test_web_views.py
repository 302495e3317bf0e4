"""Views that a crowd shares, and the numbers that say whether one is old."""

import json
import threading
import time

import pytest

from maml_tf.chatbot.memory import Memory
from maml_tf.chatbot.web.views import MOST, Views


def test_a_view_is_made_once_for_a_crowd_and_anew_after_a_change():
    views, made, number = Views(), [], [1]

    def make():
        time.sleep(0.02)
        made.append(number[0])
        return {"made": len(made)}

    def look():
        return json.loads(views.get("bot", lambda: number[0], make))

    crowd = [threading.Thread(target=look) for _ in range(16)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert made == [1]
    number[0] = 2
    assert look() == {"revision": 2, "made": 2}
    assert look()["made"] == 2


def test_an_old_view_does_for_a_while_where_that_is_allowed():
    views, number = Views(), [1]

    def look(seconds):
        found = views.get("map", lambda: number[0], dict, old_seconds=seconds)
        return json.loads(found)["revision"]

    assert look(60.0) == 1
    number[0] = 2
    assert (look(60.0), look(0.0)) == (1, 2)


def test_a_view_that_failed_is_made_again():
    views = Views()
    with pytest.raises(ZeroDivisionError):
        views.get("bot", lambda: 1, lambda: 1 // 0)
    assert json.loads(views.get("bot", lambda: 1, dict)) == {"revision": 1}


def test_only_so_many_are_kept():
    views = Views()
    for name in range(MOST + 10):
        views.get(name, lambda: 1, dict)
    assert len(views._made) == MOST


def test_the_newest_changes_alone(tmp_path):
    memory = Memory(tmp_path / "bots.sqlite")
    for number in range(5):

        def teach(change, number=number):
            change.add("examples", f"text {number}", "intent")
            return "teach", f"taught {number}", None

        memory.change("shop", teach)
    assert [event.summary for event in memory.history("shop", 2)] == [
        "taught 3",
        "taught 4",
    ]
    assert len(memory.history("shop")) == 5
