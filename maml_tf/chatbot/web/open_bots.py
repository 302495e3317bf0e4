"""The chatbots that one server has open, by name."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from maml_tf.chatbot.checks import checked_name

MOST_OPEN = 32


class OpenBots:
    """Bots of one store, opened when they are first asked for.

    Args:
        open_bot: gives the chatbot of a name, `maml_tf.chatbot.Chatbot`.
        names: the names of the store's bots.
        first: the bot that a page shows at first.

    Example:

    >>> bots = OpenBots(str.upper, lambda: ["shop"], first="desk")
    >>> bots.get("shop"), bots.names()
    ('SHOP', ['desk', 'shop'])
    """

    def __init__(
        self,
        open_bot: Callable[[str], Any],
        names: Callable[[], list[str]],
        first: str = "bot",
    ) -> None:
        self.first = first
        self._open_bot = open_bot
        self._names = names
        self._open: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> Any:
        """The chatbot of a name; one that nobody taught yet is empty.

        Raises:
            RequestError: if nothing can be called so.
        """
        name = checked_name(name, "bot")
        with self._lock:
            if name not in self._open:
                self._open[name] = self._open_bot(name)
                if len(self._open) > MOST_OPEN:
                    self._open.popitem(last=False)
            self._open.move_to_end(name)
            return self._open[name]

    def names(self) -> list[str]:
        """All names, the first bot's too where nobody taught it yet."""
        return sorted({self.first, *self._names()})
