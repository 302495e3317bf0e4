"""Checks of flags that several scripts share, before any work starts."""

from collections.abc import Iterable, Sequence

from absl import app


def numbers_of_shots(given: Sequence[str]) -> tuple[int, ...]:
    """The numbers of examples that --shots names, ascending, each once.

    Example:

    >>> numbers_of_shots(["5", "1", "5"])
    (1, 5)
    """
    if not given or not all(s.isdecimal() and 0 < int(s) < 1000 for s in given):
        raise app.UsageError("--shots takes whole numbers from 1 to 999, as 1,5.")
    return tuple(sorted({int(s) for s in given}))


def check_known(flag: str, given: Iterable[str], known: Sequence[str]) -> None:
    """Refuses names that a list flag does not take."""
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise app.UsageError(
            f"--{flag} has {', '.join(unknown)}; it takes {', '.join(known)}."
        )
