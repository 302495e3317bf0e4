"""Tables as Markdown, alone and inside of documents."""

from collections.abc import Iterable, Sequence

from absl import app


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


def replace_between_marks(document: str, mark: str, text: str) -> str:
    """The document with other text between `<!-- MARK -->` and `<!-- end of MARK -->`.

    What is generated then stands in a document that is written by hand.

    Raises:
        UsageError: if the marks are not there, each once.

    Example:

    >>> before = "Speed:\\n<!-- speed -->\\nold\\n<!-- end of speed -->\\nMore."
    >>> print(replace_between_marks(before, "speed", "new"))
    Speed:
    <!-- speed -->
    new
    <!-- end of speed -->
    More.
    """
    begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    if document.count(begin) != 1 or document.count(end) != 1:
        raise app.UsageError(
            f"The document needs the lines {begin} and {end}, each once, to say where "
            "the text belongs."
        )
    before, rest = document.split(begin)
    after = rest.split(end)[1]
    return f"{before}{begin}\n{text}\n{end}{after}"


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
