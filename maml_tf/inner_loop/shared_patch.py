"""Putting one function of a module in the place of another, for a while.

Some of what TensorFlow does deep inside can be changed in no other way. Threads may
need it at once, each for its own while: the first to come puts the function in, the
last to leave takes it out.
"""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

_lock = threading.Lock()
_users: Counter[tuple[str, str]] = Counter()
_originals: dict[tuple[str, str], Any] = {}


@contextlib.contextmanager
def shared_patch(
    module: ModuleType, name: str, replacement: Callable[..., Any]
) -> Iterator[None]:
    """Lets `module.name` be `replacement` as long as any thread is inside.

    Other threads meet the replacement too, so it must be right for everybody.

    Args:
        module: where the function is looked up when it is called.
        name: its name there.
        replacement: what is called instead; one and the same for all threads.

    Example:

    >>> import math
    >>> with shared_patch(math, "sqrt", lambda x: -1.0):
    ...     math.sqrt(4.0)
    -1.0
    >>> math.sqrt(4.0)
    2.0
    """
    place = (module.__name__, name)
    with _lock:
        if not _users[place]:
            _originals[place] = getattr(module, name)
            setattr(module, name, replacement)
        _users[place] += 1
    try:
        yield
    finally:
        with _lock:
            _users[place] -= 1
            if not _users[place]:
                setattr(module, name, _originals.pop(place))
