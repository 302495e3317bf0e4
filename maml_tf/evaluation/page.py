"""One HTML page with texts, tables and pictures, whole in one file."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; }
figure { margin: 1rem 0; } img { max-width: 100%; height: auto; }
figcaption { color: #555; font-size: .9rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .95rem; }
th, td { border-bottom: 1px solid #ddd; padding: .3rem .8rem .3rem 0;
         text-align: left; vertical-align: top; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; }
.figures div { background: #f3f5f8; border-radius: .5rem; padding: .7rem 1.1rem; }
.figures b { display: block; font-size: 1.5rem; }
"""


class Page:
    """Collects the parts of a page from top to bottom; all text is escaped.

    Args:
        title: of the page.
        lead: what it says, in a sentence or two.

    Example:

    >>> page = Page("The bot", "It knows <3> intents.")
    >>> page.section("Mistakes", "None.").table(["intent", "right"], [["pay", 1]])
    >>> "It knows &lt;3&gt; intents." in page.html()
    True
    """

    def __init__(self, title: str, lead: str = "") -> None:
        self.title = title
        self._parts = [f"<h1>{escape(title)}</h1>"]
        self.text(lead)

    def section(self, title: str, text: str = "") -> "Page":
        """Begins a part with a heading of its own."""
        self._parts.append(f"<h2>{escape(title)}</h2>")
        self.text(text)
        return self

    def text(self, text: str) -> None:
        """A paragraph, if there is anything in it."""
        if text:
            self._parts.append(f"<p>{escape(text)}</p>")

    def figures(self, named: Iterable[tuple[str, str]]) -> None:
        """Numbers that are to be seen first, each with what it is."""
        boxes = "".join(
            f"<div><b>{escape(value)}</b>{escape(name)}</div>" for value, name in named
        )
        self._parts.append(f'<div class="figures">{boxes}</div>')

    def picture(self, path: str | Path, caption: str) -> None:
        """A PNG file, put into the page itself; the caption stands in for it, too."""
        data = base64.b64encode(Path(path).read_bytes()).decode()
        text = escape(caption, quote=True)
        self._parts.append(
            f'<figure><img alt="{text}" src="data:image/png;base64,{data}">'
            f"<figcaption>{text}</figcaption></figure>"
        )

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """A table; a cell that is a list has a line for each of its entries."""
        head = "".join(f"<th>{escape(name)}</th>" for name in headers)
        body = "".join(
            "<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row) + "</tr>"
            for row in rows
        )
        self._parts.append(
            f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'
        )

    def code(self, lines: str) -> None:
        """Lines as they would be typed."""
        self._parts.append(f'<div class="scroll"><pre>{escape(lines)}</pre></div>')

    def html(self) -> str:
        """The page as text."""
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(self.title)}</title><style>{_STYLE}</style></head><body>\n"
            + "\n".join(self._parts)
            + "\n</body></html>\n"
        )

    def write(self, path: str | Path) -> None:
        """Writes the page; its folder is made if need be."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(self.html(), encoding="utf-8")


def _cell(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "<br>".join(escape(str(entry)) for entry in value)
    return escape(str(value))
