"""How a server over HTTP ends: what has come is answered, and nothing new is taken.

Waitress by itself lets go of all requests that wait for a thread.
"""

import functools
import threading
import time
from dataclasses import dataclass
from typing import Any

from waitress import wasyncore

# What was refused because of the stop has this long to be told so.
LAST_SECONDS = 5.0
LOOK_SECONDS = 0.02
SENTENCE = "The server is being stopped."


@dataclass
class Stop:
    """Whether a server is being stopped, as all of its interfaces see it.

    Args:
        since: when that was asked, by the monotonic clock; None while it was not.
        refuses: requests that wait are refused from now on, not worked on.
    """

    since: float | None = None
    refuses: bool = False


def answer_and_stop(server: Any, stop: Stop, patience: float) -> None:
    """Stops listening, waits for the answers to what has come, and lets go.

    Args:
        server: of waitress, its channels those of `http_channel`.
        stop: the state that its channels know.
        patience: seconds for answers. What has not been begun by then is refused.
    """
    stop.since = time.monotonic()
    listening = listening_of(server)
    _in_their_threads(listening, _stop_listening)
    if not _all_answered(listening, stop.since + patience):
        stop.refuses = True
        _all_answered(listening, time.monotonic() + LAST_SECONDS)
    server.task_dispatcher.shutdown(timeout=1.0)
    _in_their_threads(listening, _let_go)


def listening_of(server: Any) -> list[Any]:
    """The part of a server of waitress for each address that it listens on."""
    parts = [server, *getattr(server, "map", {}).values()]
    return [part for part in parts if hasattr(part, "channel_class")]


def _in_their_threads(listening: list[Any], act: Any) -> None:
    """Runs `act` on each in the thread that looks after its connections."""
    for one in listening:
        done = threading.Event()
        one.trigger.pull_trigger(functools.partial(_acted, act, one, done))
        done.wait(LAST_SECONDS)


def _acted(act: Any, one: Any, done: threading.Event) -> None:
    try:
        act(one)
    finally:
        done.set()


def _stop_listening(one: Any) -> None:
    """Takes the connections that wait, and closes all on which nothing has come."""
    known = -1
    while known != len(one.active_channels):
        known = len(one.active_channels)
        one.handle_accept()
    wasyncore.dispatcher.close(one)
    for channel in list(one.active_channels.values()):
        channel.close_if_idle()


def _let_go(one: Any) -> None:
    for channel in list(one.active_channels.values()):
        channel.handle_close()
    # A request that still runs will write to the trigger.
    if not one.task_dispatcher.threads:
        one.trigger.close()


def _all_answered(listening: list[Any], deadline: float) -> bool:
    """Waits until no answer is outstanding; False if time is up before."""
    while time.monotonic() < deadline:
        open_now = [c for one in listening for c in one.active_channels.copy().values()]
        if not any(channel.is_busy for channel in open_now):
            return True
        time.sleep(LOOK_SECONDS)
    return False
