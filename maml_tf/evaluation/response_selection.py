"""Replies that were said already: the cheap alternative to writing new ones."""

from collections.abc import Callable, Sequence

import numpy as np


class ResponseSelection:
    """Answers with the known reply whose occasion is nearest to what is asked.

    Each different reply is a class, its examples are the turns that it answered, and
    the nearest prototype is the class (Snell et al., 2017).

    Args:
        embed: from texts to vectors `[texts, dim]` of length 1.
        exchanges: pairs of a turn and the reply to it.

    Raises:
        ValueError: without an exchange.

    Example:

    >>> def embed(texts):
    ...     return np.array([[float("sail" in t), float("bake" in t)] for t in texts])
    >>> bot = ResponseSelection(embed, [("sail?", "I sail."), ("bake?", "I bake.")])
    >>> bot.reply("do you bake?")
    'I bake.'
    """

    def __init__(
        self,
        embed: Callable[[list[str]], np.ndarray],
        exchanges: Sequence[tuple[str, str]],
    ) -> None:
        if not exchanges:
            raise ValueError("There is no reply to choose from; give an exchange.")
        self._embed = embed
        turns, replies = zip(*exchanges, strict=True)
        self.replies = list(dict.fromkeys(replies))
        vectors = np.asarray(embed(list(turns)))
        place = np.array([self.replies.index(reply) for reply in replies])
        self._prototypes = np.stack(
            [vectors[place == k].mean(axis=0) for k in range(len(self.replies))]
        )

    @property
    def size_in_bytes(self) -> int:
        """Of prototypes in single precision, and of replies."""
        texts = sum(len(reply.encode()) for reply in self.replies)
        return 4 * self._prototypes.size + texts

    def reply(self, asked: str) -> str:
        """The reply of the nearest prototype."""
        gaps = self._prototypes - np.asarray(self._embed([asked]))
        return self.replies[int((gaps**2).sum(axis=-1).argmin())]
