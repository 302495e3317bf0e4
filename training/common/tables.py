"""Tables as Markdown."""

from collections.abc import Iterable, Sequence


def markdown_table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A header and rows of cells as a Markdown table, without a last line break.

    Cells are written as `str` makes them; a bar inside of one, which would end it, is
    escaped.

    Raises:
        ValueError: if a row has not one cell for each of the header's.

    Example:

    >>> print(markdown_table(["learner", "accuracy"], [["frozen", 0.8], ["a|b", 0.9]]))
    | learner | accuracy |
    |---|---|
    | frozen | 0.8 |
    | a\\|b | 0.9 |
    """
    lines = [_line(header), "|" + "---|" * len(header)]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(
                f"A row has {len(row)} cells and the header {len(header)}: {row}."
            )
        lines.append(_line(row))
    return "\n".join(lines)


def percent(share: float, half: float | None = None) -> str:
    """A share in per cent, with half its interval where there is one.

    Example:

    >>> percent(0.891), percent(0.891, 0.004)
    ('89.1', '89.1 ± 0.4')
    """
    middle = f"{100 * share:.1f}"
    return middle if half is None else f"{middle} ± {100 * half:.1f}"


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
