"""Kinds of flags that refuse, before any work, what no script can work with."""

import math
import os
from typing import Any

from absl import app, flags

# The flags are those of the script that calls.
flags.disclaim_key_flags()

LARGEST_SEED = 2**32 - 1
# Beyond any use, and within what TensorFlow's and NumPy's whole numbers hold.
LARGEST_COUNT = 10**6
LARGEST_RATE = 1e6
# Of a number that is to be positive.
SMALLEST = 1e-9


class _Rate(flags.FloatParser):
    """A positive number that is neither NaN nor infinite."""

    syntactic_help = f"a positive number up to {LARGEST_RATE:g}"

    def parse(self, argument: Any) -> float:
        value = self.convert(argument)
        if not math.isfinite(value):
            raise ValueError("must be a finite number")
        if value <= 0:
            raise ValueError("must be positive")
        if value > LARGEST_RATE:
            raise ValueError(f"must be {LARGEST_RATE:g} or less")
        return value


class _Share(flags.FloatParser):
    """A number from 0 up to, and without, 1."""

    syntactic_help = "a number from 0 up to, and without, 1"

    def parse(self, argument: Any) -> float:
        value = self.convert(argument)
        if not 0 <= value < 1:
            raise ValueError(f"must be {self.syntactic_help}")
        return value


class _FilePath(flags.ArgumentParser[str]):
    """A path; `~` is the home folder, and nothing at all is no path."""

    syntactic_help = "a path"

    def parse(self, argument: str) -> str:
        if not argument.strip():
            raise ValueError("must not be empty; give a path")
        return os.path.expanduser(argument)


def define_rate(name: str, default: float | None, help: str) -> None:
    """A flag for a step size."""
    flags.DEFINE(
        _Rate(), name, default, help, serializer=flags.ArgumentSerializer[float]()
    )


def define_share(name: str, default: float, help: str) -> None:
    """A flag for a part of a whole."""
    flags.DEFINE(
        _Share(), name, default, help, serializer=flags.ArgumentSerializer[float]()
    )


def define_count(
    name: str,
    default: int | None,
    help: str,
    *,
    least: int = 1,
    most: int = LARGEST_COUNT,
    required: bool = False,
) -> None:
    """A flag for a whole number of things."""
    flags.DEFINE_integer(
        name, default, help, lower_bound=least, upper_bound=most, required=required
    )


def define_seed(name: str, default: int | None, help: str) -> None:
    """A flag for a seed, which Keras wants to be a whole number of 32 bits."""
    flags.DEFINE_integer(name, default, help, lower_bound=0, upper_bound=LARGEST_SEED)


def define_path(
    name: str, default: str | None, help: str, *, required: bool = False
) -> None:
    """A flag for a file or a folder."""
    flags.DEFINE(
        _FilePath(),
        name,
        default,
        help,
        serializer=flags.ArgumentSerializer[str](),
        required=required,
    )


def numbers_of(name: str, kind: Any = int, least: float = SMALLEST) -> list[Any]:
    """The values of a list flag as numbers, in order and each once.

    Raises:
        UsageError: if there are none, or one is less than `least`.
    """
    try:
        found = sorted({kind(value) for value in flags.FLAGS[name].value or ()})
    except ValueError as error:
        raise app.UsageError(f"--{name}: {error}.") from error
    if not found or not found[0] >= least:
        wanted = "positive numbers" if least > 0 else f"numbers of {least:g} or more"
        raise app.UsageError(f"--{name} wants {wanted}, separated by commas.")
    return found
