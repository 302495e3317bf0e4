"""Connections that a server is left with: slow ones, and such as send no more."""

import socket
import threading
import time
from collections.abc import Sequence

HEADER = (
    b"POST /v1/models/held:predict HTTP/1.1\r\nHost: here\r\nContent-Length: 2000\r\n"
)
# What comes before a client falls silent: nothing, half a header, half a body.
BEGINNINGS = (b"", HEADER, HEADER + b'\r\n{"inputs": {"texts": ["')


class HeldConnections(threading.Thread):
    """Keeps connections open; what a server closes is opened anew.

    Args:
        ports: of this machine, taken in turns.
        slow: how many send a request at one byte a second.
        silent: how many begin one, or nothing, and send no more.

    Attributes:
        opened: how many there have been.
    """

    def __init__(self, ports: Sequence[int], slow: int, silent: int) -> None:
        super().__init__(daemon=True)
        self._places = [(ports[n % len(ports)], n) for n in range(slow + silent)]
        self._slow = slow
        self._held: dict[int, tuple[socket.socket, int]] = {}
        self._done = threading.Event()
        self.opened = 0

    def run(self) -> None:
        while not self._done.is_set():
            began = time.monotonic()
            for port, place in self._places:
                self._go_on(port, place)
            self._done.wait(max(0.0, began + 1.0 - time.monotonic()))
        for connection, _ in self._held.values():
            connection.close()

    def end(self) -> None:
        """Lets go of all."""
        self._done.set()
        self.join()

    def _go_on(self, port: int, place: int) -> None:
        """One more byte of a slow connection; a new one where there is none."""
        is_slow = place < self._slow
        try:
            if place not in self._held:
                connection = socket.create_connection(("127.0.0.1", port), timeout=5)
                connection.setblocking(False)
                self.opened += 1
                if not is_slow:
                    connection.send(BEGINNINGS[place % len(BEGINNINGS)])
                self._held[place] = connection, 0
            connection, sent = self._held[place]
            if is_slow:
                text = BEGINNINGS[-1] + b" " * 2000
                connection.send(text[sent : sent + 1])
                self._held[place] = connection, sent + 1
            if connection.recv(1024) == b"":
                raise ConnectionError
        except BlockingIOError:
            pass
        except OSError:  # the server closed it, or is there no more
            gone = self._held.pop(place, None)
            if gone is not None:
                gone[0].close()
