"""What a crowd looks at, made once for all of them."""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

MOST = 128  # views kept


class Views:
    """JSON by name, made anew when what it shows has another revision.

    Whoever asks while it is made waits for it, instead of making it once more.

    Example:

    >>> views = Views()
    >>> views.get(("shop", "bot"), lambda: 1, lambda: {"intents": []})
    b'{"revision": 1, "intents": []}'
    >>> views.get(("shop", "bot"), lambda: 1, lambda: 1 / 0)
    b'{"revision": 1, "intents": []}'
    """

    def __init__(self) -> None:
        self._made: OrderedDict[Any, _View] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self,
        name: Any,
        revision: Callable[[], int],
        make: Callable[[], dict[str, Any]],
        old_seconds: float = 0.0,
    ) -> bytes:
        """The view as JSON, with the revision that it shows at least.

        Args:
            name: of the view.
            revision: gives the number of what it shows now.
            make: gives its values.
            old_seconds: an older revision will do for that long after it was made.
        """
        with self._lock:
            view = self._made.setdefault(name, _View())
            self._made.move_to_end(name)
            if len(self._made) > MOST:
                self._made.popitem(last=False)
        with view.lock:
            # Asked before it is made, so that what is made is never older than it says.
            now = revision()
            young = time.monotonic() < view.when + old_seconds
            if now != view.revision and not (young and view.content):
                view.content = json.dumps({"revision": now, **make()}).encode()
                view.revision, view.when = now, time.monotonic()
            return view.content


class _View:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.revision = -1
        self.content = b""
        self.when = 0.0
