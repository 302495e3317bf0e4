"""How connections end: every request gets an answer in JSON, one that is no HTTP too.

Waitress closes a connection at once when it refuses a request before its body has come,
or when the client has ended its half; the client then often loses the answer.
"""

import json
import socket
import time
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask
from waitress.utilities import BadRequest

# How long, and how much of, a refused body is read and forgotten.
LINGER_SECONDS = 10.0
LINGER_BYTES = 2**30
SENTENCES = {
    413: "The body is too large; this server reads up to {most} bytes.",
    431: "The header is too large.",
    # That it is not implemented is no fault of the server.
    501: "Of transfer encodings only chunked is known here.",
}


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
    error_task_class = Refusal
    request: Any = None
    close_when_flushed: bool = False
    lingers = False  # to be closed by the client, once it has read the refusal
    deadline = 0.0
    forgotten = 0
    ended = False  # the client sends no more, and may still read

    def readable(self) -> bool:
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
            self.received(data)
        else:
            self._client_ended()

    def _client_ended(self) -> None:
        self.ended = True
        with self.requests_lock:
            part, self.request = self.request, None
            # What follows a request that is refused is no request of its own.
            is_refused = self.lingers or any(one.error for one in self.requests)
            if part is None or is_refused:
                return
            part.error = BadRequest("it ends before it is whole")
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


def answer_all(server: Any) -> None:
    """Lets a server of waitress, listening on one address or more, use `Channel`."""
    for listening in [server, *getattr(server, "map", {}).values()]:
        if hasattr(listening, "channel_class"):
            listening.channel_class = Channel
