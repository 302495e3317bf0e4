"""The terminal: lines in, with history and completion, and lines out, in colours."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from .chat_commands import Shown

STYLES = {"bot": "bold cyan", "asks": "yellow", "note": "dim", "warning": "magenta"}
MARKS = {"bot": "", "asks": "", "note": "  ", "warning": "  ! "}


class Screen:
    """Reads from a person or a pipe, and writes for either.

    Args:
        store: beside which the lines of earlier conversations are kept.
    """

    def __init__(self, store: str) -> None:
        self._console = Console(soft_wrap=True, highlight=False)
        self._history = f"{Path(store).expanduser()}.history"
        self._is_person = sys.stdin.isatty() and sys.stdout.isatty()

    def welcome(self, bot: str, store: str) -> None:
        """What a person is told first."""
        if self._is_person:
            self._write("note", f"{bot} in {store}. /help lists the commands.")

    def lines(self, completions: Callable[[str], list[str]]) -> Iterator[str]:
        """Lines until there are no more."""
        if not self._is_person:
            for line in sys.stdin:
                yield line.rstrip("\n")
            return
        ask = self._prompt(completions)
        while True:
            try:
                yield ask()
            except KeyboardInterrupt:  # this line is given up
                continue
            except EOFError:
                return

    def _prompt(self, completions: Callable[[str], list[str]]) -> Callable[[], str]:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import Completer, Completion
        from prompt_toolkit.history import FileHistory

        class Words(Completer):
            def get_completions(self, document: Any, event: Any) -> Iterable[Any]:
                before = document.text_before_cursor
                typed = before.partition(" ")[2] if " " in before else before
                for word in completions(before):
                    yield Completion(word, start_position=-len(typed))

        session: Any = PromptSession(
            history=FileHistory(self._history),
            completer=Words(),
            complete_in_thread=True,
        )
        return lambda: session.prompt("> ")

    @contextlib.contextmanager
    def waiting(self, loaded: Any) -> Iterator[None]:
        """Says to a person that the model is not there yet."""
        if self._is_person and not loaded.done():
            with self._console.status("The model is being loaded…"):
                yield
        else:
            yield

    def show(self, shown: Shown) -> None:
        """Writes lines, each in its manner."""
        for manner, line in shown.lines:
            self._write(manner, line)

    def wrong(self, message: str) -> None:
        """Writes what was wrong with a line."""
        self._console.print(Text(message, style="red"))

    def _write(self, manner: str, line: str) -> None:
        # What was taught may hold what terminals take for commands.
        seen = "".join(c if c.isprintable() or c == "\n" else "�" for c in line)
        self._console.print(Text(MARKS[manner] + seen, style=STYLES[manner]))
        sys.stdout.flush()
