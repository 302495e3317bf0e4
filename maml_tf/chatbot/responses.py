"""Which of an intent's responses is given: none twice before all had their turn."""

import random
import threading
from collections.abc import Sequence

from maml_tf.chatbot.memory import Verdict
from maml_tf.chatbot.slots import filled, slots_in, values_in
from maml_tf.episodes.same_text import text_key


class Responses:
    """Chooses among the responses of a bot's intents.

    Example:

    >>> responses = Responses(seed=0)
    >>> given = [responses.choose("greet", ["hi", "hello"], [], "hey", [])
    ...          for _ in range(4)]
    >>> sorted(given[:2]) == sorted(given[2:]) == ["hello", "hi"]
    True
    """

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)
        # At which turn of the bot a response was given last.
        self._given: dict[tuple[str, str], int] = {}
        self._turn = 0
        self._lock = threading.Lock()

    def choose(
        self,
        intent: str,
        responses: Sequence[str],
        patterns: Sequence[str],
        asked: str,
        verdicts: Sequence[Verdict],
    ) -> str | None:
        """The response that was given longest ago, or None where none can be given.

        Args:
            intent: whose responses they are.
            responses: those that were taught, with slots or without.
            patterns: the intent's examples; see `slots.values_in`.
            asked: the text to be replied to.
            verdicts: of the bot; a response that was disliked as a reply to this text
                is not given to it again.
        """
        values = values_in(asked, patterns) if any(map(slots_in, responses)) else {}
        ready = {
            response: said
            for response in responses
            if (said := filled(response, values)) is not None
        }
        disliked = disliked_replies(asked, verdicts)
        able = [r for r, said in ready.items() if said not in disliked]
        # What the text has words for says more than what suits any text.
        able = [r for r in able if slots_in(r)] or able
        if not able:
            return None
        with self._lock:
            longest_ago = min(self._given.get((intent, r), 0) for r in able)
            chosen = self._random.choice(
                [r for r in able if self._given.get((intent, r), 0) == longest_ago]
            )
            self._turn += 1
            self._given[intent, chosen] = self._turn
        return ready[chosen]


def disliked_replies(asked: str, verdicts: Sequence[Verdict]) -> set[str]:
    """The replies to a text that a person turned down."""
    key = text_key(asked)
    return {v.reply for v in verdicts if not v.liked and text_key(v.text) == key}


def missing_slots(responses: Sequence[str]) -> list[str]:
    """The slots that a text would have to fill for any response to be given."""
    return sorted({name for response in responses for name in slots_in(response)})
