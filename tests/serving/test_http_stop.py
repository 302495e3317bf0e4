"""A server over HTTP that is stopped under load, and one whose clients are slow."""

import contextlib
import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

waitress = pytest.importorskip("waitress")

from maml_tf.serving.http_channel import answer_all  # noqa: E402
from maml_tf.serving.http_stop import Stop, answer_and_stop  # noqa: E402

CLIENTS = 12
SECONDS = 20
HOST = "127.0.0.1"
PART = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\n12"


class Served:
    """An application on one thread, each of whose answers takes its time."""

    def __init__(self, seconds, idle_seconds=30):
        self.begun = threading.Semaphore(0)

        def answer(environ, start_response):
            self.begun.release()
            time.sleep(seconds)
            start_response("200 OK", [("Content-Length", "2")])
            return [b"ok"]

        self.server = waitress.create_server(
            answer,
            host=HOST,
            port=0,
            threads=1,
            channel_timeout=idle_seconds,
            cleanup_interval=1,
        )
        self.stop_state = Stop()
        answer_all(self.server, self.stop_state)
        self.port = self.server.effective_port
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()

    def stop(self, patience):
        answer_and_stop(self.server, self.stop_state, patience)

    def connect(self):
        return socket.create_connection((HOST, self.port), timeout=SECONDS)

    def ask(self):
        """Status, content and whether the connection is to be closed."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", "/")
            response = connection.getresponse()
            return response.status, response.read(), response.will_close


@pytest.fixture
def serve():
    made = []

    def start(*args, **options):
        made.append(Served(*args, **options))
        return made[-1]

    yield start
    for served in made:
        if served.stop_state.since is None:
            served.stop(0)
        served.thread.join(SECONDS)
        assert not served.thread.is_alive()


def stopped_under_load(served, patience):
    """What a dozen clients were told, one of which was being answered."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        asked = [pool.submit(served.ask) for _ in range(CLIENTS)]
        served.begun.acquire(timeout=SECONDS)
        deadline = time.monotonic() + SECONDS
        while len(served.server.task_dispatcher.queue) < CLIENTS - 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        served.stop(patience)
        return [one.result(SECONDS) for one in asked]


def test_all_that_wait_are_answered_and_told_that_it_is_the_end(serve):
    served = serve(0.1)
    answers = stopped_under_load(served, patience=SECONDS)
    assert answers == [(200, b"ok", True)] * CLIENTS
    with pytest.raises(ConnectionRefusedError):
        served.ask()


def test_what_cannot_be_begun_in_time_is_refused_in_a_sentence(serve):
    answers = stopped_under_load(serve(0.5), patience=1.2)
    counts = {status: 0 for status, _, _ in answers}
    for status, content, will_close in answers:
        counts[status] += 1
        assert will_close
        if status == 503:
            assert "being stopped" in json.loads(content)["error"]
    assert counts.keys() == {200, 503} and 2 <= counts[200] <= 4


def test_connections_that_have_nothing_to_be_answered_are_closed(serve):
    served = serve(0.0)
    with served.connect() as silent, served.connect() as part:
        part.sendall(PART)
        part.settimeout(SECONDS)
        time.sleep(0.2)
        began = time.monotonic()
        served.stop(patience=SECONDS)
        assert silent.recv(100) == b""
        assert part.recv(100).startswith(b"HTTP/1.1 503")
        assert time.monotonic() - began < 6


def test_a_request_whose_rest_is_on_its_way_is_answered(serve):
    served = serve(0.0)
    with served.connect() as part:
        part.sendall(PART)
        time.sleep(0.2)
        stopping = threading.Thread(target=served.stop, args=(SECONDS,))
        stopping.start()
        time.sleep(0.3)
        part.sendall(b"3456789")
        assert part.recv(100).startswith(b"HTTP/1.1 200")
        stopping.join()


def test_a_client_that_sends_byte_by_byte_is_told_so(serve):
    served = serve(0.0, idle_seconds=1)
    with served.connect() as slow:
        began = time.monotonic()
        slow.settimeout(0.2)
        sent, answer = 0, b""
        while not answer and time.monotonic() < began + SECONDS:
            slow.sendall(PART[sent : sent + 1])
            sent += 1
            with contextlib.suppress(TimeoutError):
                answer = slow.recv(1000)
        assert b" 408 " in answer.split(b"\r\n")[0] and sent < len(PART)
        assert 1.5 < time.monotonic() - began < 8
        slow.settimeout(SECONDS)
        assert served.ask()[0] == 200
