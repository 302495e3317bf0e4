"""Many people chat with one bot and teach it at once, over HTTP, for a minute.

    python -m training.chat_load --saved_model=saved_models/demo --results=load.json

Starts `training.chat_web` on a store of its own. Each person is a thread that does what
the page does: asks or teaches, thinks, and every three seconds looks whether others
taught, in which case it fetches the bot and its map anew. At the end the server is
killed, and every lesson that it acknowledged is looked for in the file.
"""

import http.client
import json
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from absl import flags

from training.common.files import write_json
from training.common.flag_types import define_path
from training.common.running import run_script
from training.demo_bot import QUERIES, SUPPORT
from training.research.serving.load_figures import resident_mib, summary

FLAGS = flags.FLAGS
BOT = "bot"
POLL_SECONDS = 3.0
TEACHING = 0.25  # of what people do


def define_flags() -> None:
    define_path("saved_model", None, "saved_models/NAME.", required=True)
    define_path("results", None, "A JSON file to write.")
    flags.DEFINE_integer("people", 64, "How many at once.", lower_bound=1)
    flags.DEFINE_float("seconds", 60.0, "How long.", lower_bound=1.0)
    flags.DEFINE_float(
        "think_seconds", 5.0, "Between an answer and what follows.", lower_bound=0.0
    )


class Person(threading.Thread):
    """Somebody with a browser.

    Attributes:
        times: the seconds of every answer, by kind.
        errors: what was no answer.
        taught: the lessons that the server acknowledged.
    """

    def __init__(self, number: int, port: int, ends: float) -> None:
        super().__init__(daemon=True)
        self.number, self.port, self.ends = number, port, ends
        self.random = random.Random(number)
        self.times: dict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []
        self.taught: list[tuple[str, str]] = []
        self.revision = -1

    def run(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        # People do not begin in the same moment.
        time.sleep(self.random.uniform(0, FLAGS.think_seconds))
        polled = time.monotonic()
        acts = polled
        while (now := time.monotonic()) < self.ends:
            if now >= acts:
                self.act()
                pause = self.random.uniform(0.5, 1.5) * FLAGS.think_seconds
                acts = time.monotonic() + pause
            if now >= polled + POLL_SECONDS:
                polled = now
                self.look()
            wait = min(acts, polled + POLL_SECONDS) - time.monotonic()
            time.sleep(max(wait, 0.0))
        self.connection.close()

    def act(self) -> None:
        if self.random.random() >= TEACHING:
            self.call("reply", {"text": self.random.choice(QUERIES)})
            return
        intent = self.random.choice(list(SUPPORT))
        said = self.random.choice(SUPPORT[intent])
        text = f"{said} {self.number} {len(self.taught)}"
        if self.call("teach", {"intent": intent, "examples": [text]}) is not None:
            self.taught.append((text, intent))
            self.fetch()

    def look(self) -> None:
        found = self.get("revision")
        if found is not None and found["revision"] != self.revision:
            self.fetch()

    def fetch(self) -> None:
        found = self.get("bot")
        if found is not None:
            self.revision = found["revision"]
            self.get("map")

    def call(self, name: str, fields: dict[str, Any]) -> Any:
        body = json.dumps({"bot": BOT, **fields})
        return self._asked(name, "POST", f"/api/{name}", body)

    def get(self, name: str) -> Any:
        return self._asked(name, "GET", f"/api/{name}?bot={BOT}", None)

    def _asked(self, name: str, method: str, path: str, body: str | None) -> Any:
        started = time.monotonic()
        try:
            headers = {"Content-Type": "application/json"} if body else {}
            self.connection.request(method, path, body, headers)
            response = self.connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.errors.append(f"{name}: {error!r}")
            self.connection.close()
            return None
        self.times[name].append(time.monotonic() - started)
        if response.status != 200:
            self.errors.append(f"{name}: {response.status} {content[:200]!r}")
            return None
        return json.loads(content)


def main(argv: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "bots.sqlite"
        server, port = start(store)
        try:
            row = measure(server, port, store)
        finally:
            server.kill()
            server.wait()
    print(json.dumps(row, indent=2))
    if FLAGS.results:
        write_json(Path(FLAGS.results), row)
    if row["errors"] or row["lost_lessons"]:
        sys.exit(1)


def start(store: Path) -> tuple[subprocess.Popen[str], int]:
    """The server's process and port, once it answers."""
    command = [
        *(sys.executable, "-m", "training.chat_web"),
        f"--saved_model={FLAGS.saved_model}",
        *(f"--store={store}", f"--bot={BOT}", "--port=0", "--sample"),
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    found = re.search(r":(\d+)/", server.stdout.readline())
    if found is None:
        sys.exit("chat_load: the server did not start; its message is above.")
    return server, int(found[1])


def measure(server: subprocess.Popen[str], port: int, store: Path) -> dict[str, Any]:
    """Lets the people loose, kills the server and counts."""
    began = time.monotonic()
    people = [Person(i, port, began + FLAGS.seconds) for i in range(FLAGS.people)]
    for person in people:
        person.start()
    memory = []
    while (now := time.monotonic()) < began + FLAGS.seconds:
        memory.append([round(now - began), resident_mib(server.pid)])
        time.sleep(min(10.0, began + FLAGS.seconds - now))
    for person in people:
        person.join(90)
    memory.append([round(time.monotonic() - began), resident_mib(server.pid)])
    server.kill()
    server.wait()
    taught = {lesson for person in people for lesson in person.taught}
    kept = kept_lessons(store)
    errors = [error for person in people for error in person.errors]
    return {
        "people": FLAGS.people,
        "seconds": FLAGS.seconds,
        "think_seconds": FLAGS.think_seconds,
        "requests": sum(len(t) for person in people for t in person.times.values()),
        "errors": len(errors),
        "first_errors": errors[:5],
        "lessons": len(taught),
        "lost_lessons": len(taught - kept),
        "milliseconds": {
            name: summary([t for person in people for t in person.times[name]])
            for name in ("reply", "teach", "revision", "bot", "map")
        },
        "server_memory_mib": memory,
    }


def kept_lessons(store: Path) -> set[tuple[str, str]]:
    """All examples in the file that the killed server left."""
    from maml_tf.chatbot.memory import Memory

    return {(text, intent) for text, intent in Memory(store).rows(BOT, "examples")}


if __name__ == "__main__":
    define_flags()
    run_script(main)
