"""How connections end: every request gets an answer in JSON, one that is no HTTP too.

Waitress closes a connection at once when it refuses a request before its body has come,
or when the client has ended its half; the client then often loses the answer. It also
lets a client take as long as it likes for a request, as long as some of it comes.
"""

import json
import socket
import time
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import BadRequest, Error

from maml_tf.serving import http_stop
from maml_tf.serving.http_stop import Stop, listening_of

# How long, and how much of, a refused body is read and forgotten.
LINGER_SECONDS = 10.0
LINGER_BYTES = 2**30
# What a request brings a second once it is older than any pause in it may be.
LEAST_BYTES_A_SECOND = 10_000
# What is on its way when a server is stopped has this long to arrive.
ARRIVAL_SECONDS = 1.0
SENTENCES = {
    408: "The request comes too slowly.",
    413: "The body is too large; this server reads up to {most} bytes.",
    431: "The header is too large.",
    # That it is not implemented is no fault of the server.
    501: "Of transfer encodings only chunked is known here.",
    503: http_stop.SENTENCE,
}


class TooSlow(Error):
    """A request that does not become whole in time."""

    code = 408
    reason = "Request Timeout"


class Stopping(Error):
    """A request that comes too late."""

    code = 503
    reason = "Service Unavailable"


class Refusal(ErrorTask):
    """Says in JSON why something is no request."""

    def execute(self) -> None:
        error = self.request.error
        sentence = SENTENCES.get(error.code, f"This is no request: {error.body}.")
        sentence = sentence.format(most=self.channel.adj.max_request_body_size)
        is_server_fault = error.code == 500
        if is_server_fault:
            sentence = "The server failed; its log says why."
        if error.code == 501:
            self.status = "400 Bad Request"
        else:
            self.status = f"{error.code} {error.reason}"
        body = json.dumps({"error": sentence}).encode()
        self.response_headers.append(("Content-Type", "application/json"))
        self.content_length = len(body)
        self.set_close_on_finish()
        self.channel.lingers = True
        self.write(body)


class Task(WSGITask):
    """An answer. The last one of a connection, if the server is being stopped."""

    def build_response_header(self) -> bytes:
        is_last = len(self.channel.requests) < 2
        if is_last and self.channel.stop.since is not None:
            self.set_close_on_finish()
        header: bytes = super().build_response_header()
        return header


class Parser(HTTPRequestParser):
    """Waitress' parser; what it does not foresee is a bad request, too."""

    def received(self, data: bytes) -> int:
        try:
            return super().received(data)
        except Exception as error:  # a length of 5,000 digits, half an IPv6 address
            self.error = BadRequest(f"it cannot be read ({type(error).__name__})")
            self.completed = True
            return len(data)


class Channel(HTTPChannel):
    """A connection that ends after its last answer has arrived."""

    parser_class = Parser
    task_class = Task
    error_task_class = Refusal
    request: Any = None
    close_when_flushed: bool = False
    lingers = False  # to be closed by the client, once it has read the refusal
    deadline = 0.0
    forgotten = 0
    ended = False  # the client sends no more, and may still read
    begun = 0.0  # when the request began that is not whole yet
    arrived = 0  # bytes of it
    stop = Stop()

    @property
    def is_busy(self) -> bool:
        """Whether a request has begun to come, or an answer has not been sent."""
        return bool(
            self.requests
            or self.total_outbufs_len
            or self.close_when_flushed
            or self.request is not None
        )

    def close_if_idle(self) -> None:
        """Closes the connection unless something has come on it, read or not."""
        if self.readable():
            self.handle_read()
        if not self.is_busy:
            self.handle_close()

    def service(self) -> None:
        if self.stop.refuses and not self.requests[0].error:
            self.requests[0].error = Stopping("")
        super().service()

    def readable(self) -> bool:
        self._refuse_if_late()
        if self.deadline:
            return not self.will_close
        return not self.ended and bool(super().readable())

    def writable(self) -> bool:
        if self.deadline:
            return self.will_close
        return bool((self.ended and not self.requests) or super().writable())

    def handle_write(self) -> None:
        if self.lingers and self.close_when_flushed and not self.will_close:
            self._flush_exception(self._flush_some)
            if not self.total_outbufs_len and not self.will_close:
                self.close_when_flushed = False
                self.deadline = time.monotonic() + LINGER_SECONDS
                self._end_half()
                return
        super().handle_write()
        if self.ended and not self.requests and not self.total_outbufs_len:
            self.handle_close()

    def handle_read(self) -> None:
        try:
            assert self.socket is not None
            data = self.socket.recv(2**16)
        except BlockingIOError:
            return
        except OSError:
            self.handle_close()
            return
        if self.deadline:
            self.forgotten += len(data)
            late = time.monotonic() > self.deadline
            if not data or late or self.forgotten > LINGER_BYTES:
                self.handle_close()
        elif data:
            self.last_activity = time.time()
            if self.request is None:
                self.begun, self.arrived = time.monotonic(), 0
            self.arrived += len(data)
            self.received(data)
        else:
            self._client_ended()

    def _client_ended(self) -> None:
        self.ended = True
        self._refuse_part(BadRequest("it ends before it is whole"))

    def _refuse_if_late(self) -> None:
        """Refuses a request that should have been whole by now."""
        if self.request is None:
            return
        now = time.monotonic()
        since = self.stop.since
        most = 2 * self.adj.channel_timeout + self.arrived / LEAST_BYTES_A_SECOND
        if since is not None and now > since + ARRIVAL_SECONDS:
            self._refuse_part(Stopping(""))
        elif now > self.begun + most:
            self._refuse_part(TooSlow(""))

    def _refuse_part(self, error: Error) -> None:
        """Answers a request of which no more is awaited with what is wrong."""
        with self.requests_lock:
            part, self.request = self.request, None
            # What follows a request that is refused is no request of its own.
            is_refused = self.lingers or any(one.error for one in self.requests)
            if part is None or is_refused:
                return
            part.error = error
            part.completed = True
            self.requests.append(part)
            if len(self.requests) == 1:
                self.server.add_task(self)

    def _end_half(self) -> None:
        try:
            assert self.socket is not None
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:  # the client is gone
            self.handle_close()


def answer_all(server: Any, stop: Stop) -> None:
    """Lets a server of waitress use `Channel`.

    Args:
        server: listening on one address or more.
        stop: says when it is being stopped.
    """
    kind = type("Channel", (Channel,), {"stop": stop})
    for listening in listening_of(server):
        listening.channel_class = kind
