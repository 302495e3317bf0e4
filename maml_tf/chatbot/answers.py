"""From a model's answer to what a bot says."""

import logging
from typing import Any

import numpy as np

from maml_tf.chatbot.learning import Learned, Learning, TooLittle
from maml_tf.chatbot.manner import Manner
from maml_tf.chatbot.phrases import phrase
from maml_tf.chatbot.reasons import because
from maml_tf.chatbot.records import Alternative, Reply
from maml_tf.chatbot.responses import Responses, missing_slots
from maml_tf.serving.results import RequestError

log = logging.getLogger(__name__)
ALTERNATIVES = 3
# An intent that is less than so many times as likely as the next one is asked about.
CLEARLY = 1.5
# An intent that is less likely is not offered to who asks.
LEAST = 0.01


class Answering:
    """Replies of one bot.

    Args:
        learning: what the bot learned.
        manner: what replies in the bot's own words, or None for taught responses alone.
    """

    def __init__(self, learning: Learning, manner: Manner | None = None) -> None:
        self._learning, self._manner = learning, manner
        self._responses = Responses()

    def reply(self, asked: str) -> Reply:
        """What the bot says to a checked text."""
        try:
            answers, query, learned = self._learning.answer(asked)
        except TooLittle as error:
            kind = "one" if error.intents else "untaught"
            said = phrase(kind, asked, error.intents)
            return Reply(said, None, 0.0, [], [], "untaught", None, asked)
        chances = answers.probabilities[0]
        order = np.argsort(-chances, kind="stable")[:ALTERNATIVES]
        names = [answers.class_names[place] for place in order]
        nearest = [
            Alternative(name, float(chances[place]))
            for name, place in zip(names, order, strict=True)
        ]
        margin = None if answers.margins is None else float(answers.margins[0])
        seen: dict[str, Any] = {
            "confidence": nearest[0].probability,
            "alternatives": nearest,
            "margin": margin,
            "asked": asked,
        }
        if not answers.in_scope[0]:
            return self._asking("unsure", names, learned, query, seen)
        if len(nearest) > 1 and (
            nearest[0].probability < CLEARLY * nearest[1].probability
        ):
            return self._asking("between", names[:2], learned, query, seen)
        intent = answers.intents[0]
        said, kind = self._said(asked, intent, learned)
        reasons = because(learned, query, intent)
        return Reply(said, intent, because=reasons, kind=kind, **seen)

    def _asking(
        self,
        kind: Any,
        names: list[str],
        learned: Learned,
        query: np.ndarray,
        seen: dict[str, Any],
    ) -> Reply:
        reasons = [why for name in names for why in because(learned, query, name)]
        likely = [a.intent for a in seen["alternatives"] if a.probability >= LEAST]
        named = [name for name in names if name in likely]
        said = phrase(kind if named else "nothing", seen["asked"], named)
        return Reply(said, None, because=reasons, kind=kind, **seen)

    def _said(self, asked: str, intent: str, learned: Learned) -> tuple[str, Any]:
        memory, bot = self._learning.memory, self._learning.bot
        taught = memory.rows(bot, "responses")
        verdicts = memory.verdicts(bot)
        if self._manner is not None:
            generated = self._generated(asked, taught, verdicts)
            if generated is not None:
                return generated, "generated"
        own = [response for name, response in taught if name == intent]
        patterns = [
            text
            for text, label in zip(learned.texts, learned.labels, strict=True)
            if label == intent
        ]
        chosen = self._responses.choose(intent, own, patterns, asked, verdicts)
        if chosen is not None:
            return chosen, "answer"
        missing = missing_slots(own)
        if missing:
            return phrase("slots", asked, missing), "answer"
        return phrase("silent", asked, [intent]), "answer"

    def _generated(self, asked: str, taught: Any, verdicts: Any) -> str | None:
        """A reply of the language model, None where it has none."""
        assert self._manner is not None
        try:
            return self._manner.reply(asked, taught, verdicts)
        except RequestError as error:  # more than it reads; a taught response will do
            log.warning("The language model gave no reply: %s", error)
            return None
