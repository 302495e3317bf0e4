"""Pairs of things timed in turn, so that what else the machine does falls on both."""

import time
from collections.abc import Callable, Mapping


def in_turn(
    sides: Mapping[str, Callable[[], object]], repeats: int
) -> dict[str, list[float]]:
    """Seconds of the runs of each side after its first, one of each at a time.

    Example:

    >>> seconds = in_turn({"one": lambda: 1, "two": lambda: 2}, repeats=3)
    one: 0.00 s
    two: 0.00 s
    ...
    >>> [len(taken) for taken in seconds.values()]
    [3, 3]
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(repeats + 1):
        for name, run in sides.items():
            began = time.perf_counter()
            run()
            taken = time.perf_counter() - began
            print(f"{name}: {taken:.2f} s", flush=True)
            if number:
                seconds[name].append(round(taken, 3))
    return seconds
