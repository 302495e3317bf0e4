"""Checks of arguments, the same for every class: one sentence that names the argument.

Example:

>>> whole("inner_steps", 2.5)
Traceback (most recent call last):
...
ValueError: inner_steps must be 1, 2, 3, …, not 2.5.
"""

import math
from typing import Any


def number(name: str, value: Any) -> float:
    """The value as a float, NaN and infinity included, or a ValueError."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number, not {value!r}.") from None


def positive(name: str, value: Any) -> float:
    """The value as a float above zero and finite, or a ValueError."""
    if not 0 < number(name, value) < math.inf:
        raise ValueError(f"{name} must be a positive number, not {value!r}.")
    return float(value)


def whole(name: str, value: Any, least: int = 1) -> int:
    """The value as an int of `least` or more, or a ValueError."""
    finite = math.isfinite(number(name, value))
    if not finite or int(value) != value or value < least:
        raise ValueError(
            f"{name} must be {least}, {least + 1}, {least + 2}, …, not {value!r}."
        )
    return int(value)


def fraction(name: str, value: Any) -> float:
    """The value as a float in [0, 1), or a ValueError."""
    if not 0 <= number(name, value) < 1:
        raise ValueError(f"{name} must be at least 0 and below 1, not {value!r}.")
    return float(value)
