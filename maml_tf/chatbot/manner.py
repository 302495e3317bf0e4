"""A bot's manner: a language model that learned from what the bot was taught to say."""

import threading
from collections.abc import Sequence
from typing import Any

from maml_tf.chatbot.memory import Memory, Verdict
from maml_tf.chatbot.responses import disliked_replies
from maml_tf.chatbot.slots import slots_in
from maml_tf.serving.negatives import NEGATIVE
from maml_tf.serving.results import StaleStateError

MOST_DIALOGUES = 64  # that are learned from
LONGEST = 2000  # characters of a dialogue that is learned from
ATTEMPTS = 5
TEMPERATURE = 0.8  # where the likeliest reply was turned down


class Manner:
    """Replies in the manner of one bot.

    It learns from dialogues of two turns: a taught example and a response to it, and
    texts with the generated replies that people liked. It learns anew when these
    change. With none of them the model replies as it is.

    Args:
        model: a `Client` of an exported language model.
        memory: where the bot is.
        bot: which.
    """

    def __init__(self, model: Any, memory: Memory, bot: str) -> None:
        self.model, self.memory, self.bot = model, memory, bot
        self._learned: tuple[list[list[str]], Any] = ([], None)
        self._lock = threading.Lock()

    def reply(
        self, asked: str, responses: Sequence[Any], verdicts: Sequence[Verdict]
    ) -> str | None:
        """A reply to a text that no one turned down, or None.

        Args:
            asked: the text.
            responses: pairs of an intent and a response to it.
            verdicts: of the bot.
        """
        dialogues = dialogues_of(
            self.memory.rows(self.bot, "examples"), responses, verdicts
        )
        disliked = disliked_replies(asked, verdicts)
        try:
            return self._generated(self._state(dialogues), asked, disliked)
        except StaleStateError:  # another version is served now
            self._learned = ([], None)
            return self._generated(self._state(dialogues), asked, disliked)

    def _state(self, dialogues: list[list[str]]) -> Any:
        with self._lock:
            if self._learned[0] != dialogues:
                self._learned = dialogues, self.model.adapt_dialogues(dialogues)
            return self._learned[1]

    def _generated(self, state: Any, asked: str, disliked: set[str]) -> str | None:
        for seed in range(ATTEMPTS):
            temperature = TEMPERATURE if seed else 0.0
            reply = self.model.generate(
                state, [asked], temperature=temperature, seed=seed
            ).strip()
            if reply and reply not in disliked:
                return reply
        return None


def dialogues_of(
    examples: Sequence[Any], responses: Sequence[Any], verdicts: Sequence[Verdict]
) -> list[list[str]]:
    """What a bot's manner is learned from, the replies that people liked first.

    Each intent gives as many dialogues as another, as far as it has examples, and its
    responses take turns.

    Example:

    >>> dialogues_of([("hi", "greet"), ("hey", "greet")], [("greet", "Hello!")],
    ...              [Verdict("thanks", "Any time.", True)])
    [['thanks', 'Any time.'], ['hi', 'Hello!'], ['hey', 'Hello!']]
    """
    said: dict[str, list[str]] = {}
    for intent, response in responses:
        if not slots_in(response):
            said.setdefault(intent, []).append(response)
    rounds: list[tuple[int, list[str]]] = []
    seen: dict[str, int] = {}
    for text, label in examples:
        if label in said and label != NEGATIVE:
            number = seen[label] = seen.get(label, -1) + 1
            own = said[label]
            rounds.append((number, [text, own[number % len(own)]]))
    rounds.sort(key=lambda pair: pair[0])
    liked = [[v.text, v.reply] for v in reversed(verdicts) if v.liked]
    dialogues = liked + [dialogue for _, dialogue in rounds]
    short = [d for d in dialogues if sum(map(len, d)) <= LONGEST]
    return short[:MOST_DIALOGUES]
