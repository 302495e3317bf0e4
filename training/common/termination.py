"""Ending in order when the machine asks for it, before it kills."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# What a shell reports of a process that SIGTERM ended.
STATUS = 128 + signal.SIGTERM


@contextmanager
def request_to_end() -> Iterator[Callable[[], bool]]:
    """Notes SIGTERM, which job schedulers send some time before SIGKILL.

    Yields:
        Whether it came. In a thread beside the main one it is not noted, and ends the
        process as ever.

    Example:

    >>> with request_to_end() as asked:
    ...     before = asked()
    ...     signal.raise_signal(signal.SIGTERM)
    ...     print(before, asked())
    False True
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came = threading.Event()
    earlier = signal.signal(signal.SIGTERM, lambda *_: came.set())
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGTERM, earlier)
