"""Any number of bots, each defined by its examples, on one served model."""

import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from maml_tf.episodes.class_names import texts_of_names
from maml_tf.episodes.same_text import text_key
from maml_tf.serving.client import Client
from maml_tf.serving.limits import Limits
from maml_tf.serving.results import Answers, RequestError
from maml_tf.serving.tenant_backends import (
    Examples,
    TenantBackend,
    ask_learned,
    backend_at,
)
from maml_tf.serving.texts import encoded, is_blank
from maml_tf.serving.thresholds import check_threshold, with_thresholds


class TenantStore:
    """Examples and adapted states of bots, learned anew only when need be.

    A bot learns when it is first asked after a change of its examples, and when the
    service says that its state was made by another version of the model.

    Args:
        where: a file for SQLite, `redis://host:6379/0`, or a `TenantBackend`.
        client: the service that learns and answers.
        limits: those of the export that is served, where it has others than the
            default: what it would refuse is refused here, before it is stored.

    Example:

    >>> import os, tempfile
    >>> store = TenantStore(os.path.join(tempfile.mkdtemp(), "bots.sqlite"), None)
    >>> store.add("shop", [("where is my parcel", "delivery")])
    >>> store.bots(), store.examples("shop")
    (['shop'], [('where is my parcel', 'delivery')])
    """

    def __init__(
        self,
        where: str | Path | TenantBackend,
        client: Client,
        *,
        limits: Limits | None = None,
    ) -> None:
        self.backend = backend_at(where)
        self.client = client
        self.limits = limits or Limits()

    def add(self, bot: str, examples: Iterable[tuple[str, str]]) -> None:
        """Adds pairs of text and label to a bot, which begins with its first ones.

        A label `NEGATIVE` says that a text is for no intent. All are added, or none. A
        text that the bot already has under another label is
        added with a warning: no bot can answer it right under both. Texts that differ
        in case and blanks alone are the same.

        Raises:
            RequestError: naming the example that no bot could learn from.
        """
        new = [self._checked(example, place) for place, example in enumerate(examples)]
        held = self.backend.read(bot).examples
        count = len(held) + len(new)
        if count > self.limits.examples:
            raise RequestError(
                f"The bot {bot!r} would have {count} examples; the model learns from "
                f"at most {self.limits.examples}."
            )
        _warn_of_contradictions(held, new)
        self.backend.add(bot, new)

    def add_named(self, bot: str, names: Iterable[str]) -> None:
        """Adds intents that are taught by their names alone, as "lost_card" can be.

        Raises:
            RequestError: if a name holds no word, or two of them read the same.
        """
        names = list(names)
        try:
            texts = texts_of_names(names)
        except ValueError as error:
            raise RequestError(str(error)) from error
        self.add(bot, zip(texts, names, strict=True))

    def _checked(self, example: Any, place: int) -> tuple[str, str]:
        if isinstance(example, (str, bytes)) or not isinstance(example, Sequence):
            example = ()
        if len(example) != 2:
            raise RequestError(f"examples[{place}] has to be a pair of text and label.")
        for value, part in zip(example, ("text", "label"), strict=True):
            named = f"The {part} of examples[{place}]"
            size = len(encoded(value, named))
            if not isinstance(value, str):
                raise RequestError(f"{named} has to be a text, not bytes; decode it.")
            if is_blank(value):
                raise RequestError(
                    f"{named} is empty; an example needs a text and a label, neither "
                    "empty."
                )
            if size > self.limits.text_bytes:
                raise RequestError(
                    f"{named} has {size} bytes; at most {self.limits.text_bytes} are "
                    "read."
                )
        return str(example[0]), str(example[1])

    def remove(self, bot: str, text: str) -> int:
        """Removes the examples with this text, and says how many there were."""
        return self.backend.remove(bot, text)

    def examples(self, bot: str) -> Examples:
        """The bot's pairs of text and label, oldest first."""
        return self.backend.read(bot).examples

    def set_threshold(self, bot: str, intent: str, probability: float | None) -> None:
        """Keeps from which probability an intent of the bot is in scope.

        Args:
            bot: its name.
            intent: one that it has examples of.
            probability: from 0 to 1; None for an intent that goes by the model again.

        Raises:
            RequestError: if the bot has no such intent, or it is no probability.
        """
        if probability is not None:
            if intent not in {label for _, label in self.backend.read(bot).examples}:
                raise RequestError(
                    f"The bot {bot!r} has no intent {intent!r}; add examples of it "
                    "first."
                )
            check_threshold(intent, probability)
        self.backend.set_threshold(bot, intent, probability)

    def thresholds(self, bot: str) -> dict[str, float]:
        """The probabilities of those intents that have one of their own."""
        return dict(self.backend.read(bot).thresholds)

    def bots(self) -> list[str]:
        """The names of all bots that have examples."""
        return self.backend.bots()

    def delete(self, bot: str) -> None:
        """Removes a bot with all it learned."""
        self.backend.delete(bot)

    def predict(
        self,
        bot: str,
        query_texts: Sequence[str],
        *,
        thresholds: Mapping[str, float] | None = None,
    ) -> Answers:
        """The bot's answers.

        Args:
            bot: its name.
            query_texts: texts to be answered.
            thresholds: the probability from which an intent is in scope, in place of
                the bot's own for this call.

        Raises:
            RequestError: if there is no such bot, or it has too little to learn from.
            ServiceError: if there was no answer in time.
        """
        found = self.backend.read(bot)
        if not found.examples:
            raise RequestError(f"There is no bot {bot!r}; add examples to it first.")
        texts, labels = zip(*found.examples, strict=True)
        answers = ask_learned(
            self.backend,
            bot,
            found,
            lambda: self.client.adapt(texts, labels),
            lambda state: self.client.predict(state, query_texts),
        )
        # An intent may have lost its examples since its threshold was set.
        kept = {name: p for name, p in found.thresholds.items() if name in labels}
        return with_thresholds(answers, {**kept, **(thresholds or {})})


def _warn_of_contradictions(held: Examples, new: Examples) -> None:
    labels = defaultdict(set)
    for text, label in held:
        labels[text_key(text)].add(label)
    for text, label in new:
        others = labels[text_key(text)] - {label}
        if others:
            warnings.warn(
                f"{text!r} is taught as {label!r} and as {sorted(others)[0]!r}; no bot "
                "can answer it right under both: remove one.",
                stacklevel=3,
            )
        labels[text_key(text)].add(label)
