"""Answers that were given lately, kept so that they can be judged."""

import threading
from collections import OrderedDict
from itertools import count
from typing import Any

from maml_tf.serving import RequestError

MOST = 2000


class RecentReplies:
    """The last answers by number; judging an older one asks for it again.

    Example:

    >>> replies = RecentReplies()
    >>> number = replies.keep("bot", "an answer")
    >>> replies.find("bot", number), replies.find("desk", number)
    ('an answer', None)
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[int, tuple[str, Any]] = OrderedDict()
        self._numbers = count(1)
        self._lock = threading.Lock()

    def keep(self, bot: str, reply: Any) -> int:
        """Keeps an answer of the named bot and gives the number to ask for it by."""
        with self._lock:
            number = next(self._numbers)
            self._kept[number] = (bot, reply)
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)
            return number

    def find(self, bot: str, number: int) -> Any:
        """The answer, or None where it is not kept."""
        of, reply = self._kept.get(number, ("", None))
        return reply if of == bot else None

    def judged(self, bot: str, chatbot: Any, number: int, asked: str, said: str) -> Any:
        """The answer `said` to `asked`; one that is kept no longer is given anew.

        Raises:
            RequestError: if the bot answers otherwise by now.
        """
        reply = self.find(bot, number)
        # A number is of this process: after a restart it may be another answer's.
        if reply is None or reply.text != said:
            reply = chatbot.reply(asked)
        if reply.text != said:
            raise RequestError("The bot answers otherwise by now; ask it again.")
        return reply
