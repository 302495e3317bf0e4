"""Which rows of a table a flag names, though a row's name may hold commas."""

from collections.abc import Sequence


class UnknownRowError(ValueError):
    """A name that no row of the table has."""


def named_rows(given: Sequence[str], names: Sequence[str]) -> list[str]:
    """The rows that the values of a flag name, in the table's order.

    Args:
        given: values of the flag, each one name or several with commas between them;
            quotes around a name are taken off.
        names: those of the table's rows.

    Raises:
        UnknownRowError: naming what is no row's name.

    Example:

    >>> names = ["MAML, 5-shot", "MAML, 5 steps, 5-shot", "ANIL"]
    >>> named_rows(["ANIL,MAML, 5 steps, 5-shot"], names)
    ['MAML, 5 steps, 5-shot', 'ANIL']
    """
    found = set()
    for value in given:
        found |= set(_names_in(value, names))
    return [name for name in names if name in found]


def _names_in(value: str, names: Sequence[str]) -> list[str]:
    parts = [part.strip().strip("\"'").strip() for part in value.split(",")]
    found, place = [], 0
    while place < len(parts):
        # The longest name first: one may begin another.
        for end in range(len(parts), place, -1):
            name = ", ".join(parts[place:end])
            if name in names:
                found.append(name)
                place = end
                break
        else:
            rest = ", ".join(parts[place:])
            raise UnknownRowError(f"no row is called {rest!r}")
    return found
