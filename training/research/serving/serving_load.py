"""Many clients ask two servers of everything at once, some of it wrong, until SIGTERM.

    python -m training.export --language_model=scratch:num_layers=2,hidden_dim=64 \\
        --export_dir=saved_models/bytes
    python -m training.serving_load --saved_model=saved_models/demo \\
        --language_model=saved_models/bytes --results=results/serving_load.json

Starts `training.serve` for an export of intents and for one of a language model. Each
client asks, with requests of random sizes, as soon as it has its last answer; one
request in twenty has a fault. Slow connections and silent ones are held open meanwhile.
At the end both servers get SIGTERM while everybody asks on. Ends with status 1 if a
good request fails, a faulty one is not refused in a sentence, a request that was sent
before the signal gets no answer, or a server does not end in order.
"""

import contextlib
import itertools
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from absl import app, flags

from training.common.files import check_output_file, write_json
from training.common.flag_types import define_count, define_path
from training.common.running import run_script
from training.research.serving.bad_requests import INPUTS, VALUES, http_faults
from training.research.serving.held_connections import HeldConnections
from training.research.serving.load_callers import (
    Answer,
    GrpcCaller,
    RestCaller,
    body_of,
)
from training.research.serving.load_figures import resident_mib, summary
from training.research.serving.load_talk import SHARES, Asked, Talk

FLAGS = flags.FLAGS
FAULTY = 0.05
# One client in four speaks gRPC.
GRPC_EVERY = 4
# gRPC hands a call to a thread of its own, so a call is later on its way than made.
ON_ITS_WAY = 0.25
WARM_UP = 0.25  # of the time, before which memory may grow
EXIT_SECONDS = 60.0


def define_flags() -> None:
    define_path("saved_model", None, "saved_models/NAME, of intents.", required=True)
    define_path(
        "language_model", None, "saved_models/NAME, of a language model.", required=True
    )
    define_path("results", None, "A JSON file to write.")
    define_count("clients", 64, "How many at once.", most=1000)
    flags.DEFINE_float("seconds", 60.0, "Until SIGTERM.", lower_bound=1.0)
    define_count("slow", 100, "Connections of a byte a second.", least=0, most=400)
    define_count("silent", 60, "Connections that go silent.", least=0, most=400)
    flags.DEFINE_float(
        "memory_seconds", 5.0, "Between two looks at memory.", lower_bound=0.1
    )


class Served(NamedTuple):
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    model: str
    rest_port: int
    grpc_port: int
    log: IO[str]


class LoadClient(threading.Thread):
    """Asks on and on, until the servers are gone.

    Attributes:
        times: the seconds of good answers, by kind.
        refused: how often each fault was refused as it should be.
        errors: what went wrong, in words.
        after_signal: what became of requests that were sent after the signal.
    """

    def __init__(self, number: int, servers: tuple[Served, Served]) -> None:
        super().__init__(daemon=True)
        is_grpc = number % GRPC_EVERY == GRPC_EVERY - 1
        self._name = f"{'grpc' if is_grpc else 'rest'} {number}"
        self._random = random.Random(number)
        self._talk = Talk(self._name, seed=number)
        self._callers = [
            GrpcCaller(one.grpc_port, one.model)
            if is_grpc
            else RestCaller(one.rest_port, one.model)
            for one in servers
        ]
        # Clients begin with different faults, so that few requests try all of them.
        self._faults = itertools.count(number)
        self.times: dict[str, list[float]] = defaultdict(list)
        self.refused: Counter[str] = Counter()
        self.errors: list[str] = []
        self.after_signal: Counter[str] = Counter()
        self.signalled = float("inf")

    def run(self) -> None:
        alive = True
        try:
            while alive:
                asked = self._talk.draw()
                is_faulty = self._random.random() < FAULTY
                alive = self._faulty(asked) if is_faulty else self._good(asked)
        except Exception as error:  # a thread's own message would be lost
            self.errors.append(f"{self._name} failed: {error!r}")
        for caller in self._callers:
            caller.close()

    def _good(self, asked: Asked) -> bool:
        """Asks once; whether there is somebody left to ask."""
        began = time.monotonic()
        caller = self._callers[asked.is_of_language]
        answer = caller.ask(asked.signature, asked.inputs)
        if answer.status != 200:
            return self._without_answer(asked.kind, answer)
        self.times[asked.kind].append(time.monotonic() - began)
        wrong = self._talk.keep(asked, answer.content)
        if wrong:
            self.errors.append(f"{self._name} {asked.kind}: {wrong}")
        if answer.sent > self.signalled:
            self.after_signal["answered"] += 1
        return True

    def _faulty(self, asked: Asked) -> bool:
        fault, answer = self._ask_wrongly(asked)
        if 400 <= answer.status < 500 and str(answer.content).strip():
            self.refused[f"{asked.kind}, {fault}"] += 1
            return True
        return self._without_answer(f"{asked.kind}, {fault}", answer)

    def _ask_wrongly(self, asked: Asked) -> tuple[str, Answer]:
        """Asks with the next fault."""
        caller = self._callers[asked.is_of_language]
        whole = {}
        makers = dict(INPUTS)
        if isinstance(caller, RestCaller):
            makers |= VALUES
            whole = http_faults(caller.path, body_of(asked.signature, asked.inputs))
        names = ["another signature", *makers, *whole]
        fault = names[next(self._faults) % len(names)]
        if fault in makers:
            inputs = makers[fault](asked.inputs)
            return fault, caller.ask(asked.signature, inputs)
        if fault in whole and isinstance(caller, RestCaller):
            return fault, caller.send(whole[fault])
        return fault, caller.ask("forget", asked.inputs)

    def _without_answer(self, what: str, answer: Answer) -> bool:
        """Counts an answer that is not the one to hope for."""
        margin = ON_ITS_WAY if self._name.startswith("grpc") else 0.0
        if answer.sent < self.signalled - margin or answer.status not in (0, 503):
            said = f"{answer.status} {str(answer.content)[:200]}"
            self.errors.append(f"{self._name} {what}: {said}")
            return time.monotonic() < self.signalled
        self.after_signal["refused" if answer.status else "not connected"] += 1
        return False


def main(argv: list[str]) -> None:
    if FLAGS.results:
        check_output_file(Path(FLAGS.results))
    with server(FLAGS.saved_model) as intents, server(FLAGS.language_model) as language:
        row = measure((intents(), language()))
    print(json.dumps(row, indent=2))
    if FLAGS.results:
        write_json(Path(FLAGS.results), row)
    if row["errors"] or any(row["exit_status"]) or row["lines_in_logs"]:
        sys.exit(1)


@contextlib.contextmanager
def server(folder: str) -> Iterator[Callable[[], Served]]:
    """Starts a server of a folder; what it gives waits until that answers."""
    with tempfile.TemporaryFile("w+") as log:
        command = [
            *(sys.executable, "-m", "training.serve", f"--saved_model={folder}"),
            *("--rest_port=0", "--grpc_port=0"),
        ]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True
        )

        def ready() -> Served:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.match(r"(.*) version .*:(\d+), gRPC on .*:(\d+)$", line)
            if found is None:
                log.seek(0)
                raise app.UsageError(f"{folder} is not served: {log.read().strip()}")
            log.truncate(0)  # what TensorFlow says while it is loaded
            return Served(process, found[1], int(found[2]), int(found[3]), log)

        try:
            yield ready
        finally:
            process.kill()
            process.wait()


def measure(servers: tuple[Served, Served]) -> dict[str, Any]:
    """Lets the clients loose, ends the servers and counts."""
    ports = [port for one in servers for port in (one.rest_port, one.grpc_port)]
    held = HeldConnections(ports, FLAGS.slow, FLAGS.silent)
    held.start()
    began = time.monotonic()
    clients = [LoadClient(number, servers) for number in range(FLAGS.clients)]
    for client in clients:
        client.start()
    memory = watch_memory(servers, began)
    signalled = time.monotonic()
    for client in clients:
        client.signalled = signalled
    for one in servers:
        one.process.send_signal(signal.SIGTERM)
    ends = [seconds_to_exit(one.process, signalled) for one in servers]
    for client in clients:
        client.join(EXIT_SECONDS)
    held.end()
    errors = [error for client in clients for error in client.errors]
    refused = sum((client.refused for client in clients), Counter())
    warm = [row for row in memory if row[0] >= WARM_UP * FLAGS.seconds]
    return {
        "clients": FLAGS.clients,
        "seconds": FLAGS.seconds,
        "slow_connections": FLAGS.slow,
        "silent_connections": FLAGS.silent,
        "held_connections_opened": held.opened,
        "good_answers": sum(len(t) for c in clients for t in c.times.values()),
        "errors": len(errors),
        "first_errors": errors[:5],
        "faulty_refused": refused.total(),
        "faults_tried": len(refused),
        "milliseconds": {
            kind: summary([t for client in clients for t in client.times[kind]])
            for kind in SHARES
        },
        "memory_mib": memory,
        "memory_growth_mib": [
            round(warm[-1][place] - warm[0][place], 1) for place in (1, 2)
        ],
        "sent_after_signal": dict(sum((c.after_signal for c in clients), Counter())),
        "seconds_to_exit": ends,
        "exit_status": [one.process.poll() for one in servers],
        "lines_in_logs": [line for one in servers for line in lines_of(one.log)],
    }


def watch_memory(servers: tuple[Served, Served], began: float) -> list[list[float]]:
    """Seconds and MiB of both servers, until the time is up."""
    found: list[list[float]] = []
    ends = began + FLAGS.seconds
    while True:
        now = time.monotonic()
        sizes = [resident_mib(one.process.pid) for one in servers]
        found.append([round(now - began, 1), *sizes])
        if now >= ends:
            return found
        time.sleep(min(FLAGS.memory_seconds, ends - now))


def seconds_to_exit(process: subprocess.Popen[str], signalled: float) -> float | None:
    """None for a process that does not end."""
    try:
        process.wait(EXIT_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    return round(time.monotonic() - signalled, 1)


def lines_of(log: IO[str]) -> list[str]:
    """What a server complained about, the first lines of it."""
    log.seek(0)
    return [line for line in log.read().strip("\0").splitlines() if line.strip()][:20]


if __name__ == "__main__":
    define_flags()
    run_script(main)
