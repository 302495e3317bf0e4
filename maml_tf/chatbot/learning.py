"""What a model knows of a bot: learned upon changes, each sentence read once."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from maml_tf.chatbot.memory import Memory
from maml_tf.serving.client import Client
from maml_tf.serving.negatives import NEGATIVE
from maml_tf.serving.results import (
    AdaptedState,
    Answers,
    NotOffered,
    RequestError,
    StaleStateError,
)

AT_ONCE = 256  # texts that one call embeds


@dataclass(frozen=True)
class Learned:
    """A bot at one revision, learned.

    Attributes:
        revision: of the examples.
        texts: what was read: examples, and names of intents where they are examples.
        labels: `[texts]`, the intent of each, or `NEGATIVE`.
        vectors: `[texts, dim]`, of length 1.
        state: what answers.
        from_vectors: whether the model learns and answers from vectors.
    """

    revision: int
    texts: list[str]
    labels: np.ndarray
    vectors: np.ndarray
    state: AdaptedState
    from_vectors: bool


class Learning:
    """One bot in front of one model.

    Args:
        client: the model.
        memory: where examples, states and vectors are.
        bot: which.
    """

    def __init__(self, client: Client, memory: Memory, bot: str) -> None:
        self.client, self.memory, self.bot = client, memory, bot
        self._held: Learned | None = None
        self._lock = threading.RLock()

    def answer(self, text: str) -> tuple[Answers, np.ndarray, Learned]:
        """The model's answer to a text, its vector `[dim]` and what was learned.

        The encoder runs once, where the model answers from vectors; an older export,
        and a learner that changes its encoder, run it once more for the vector.

        Raises:
            RequestError: if there is too little to learn from.
            ServiceError: if there was no answer in time.
        """
        try:
            return self._answer(text, self.learned())
        except StaleStateError:  # another version is served now
            return self._answer(text, self.learned(anew=True))

    def _answer(
        self, text: str, learned: Learned
    ) -> tuple[Answers, np.ndarray, Learned]:
        vectors = self.client.embed([text])
        if learned.from_vectors:
            answers = self.client.predict_vectors(learned.state, vectors)
        else:
            answers = self.client.predict(learned.state, [text])
        return answers, _unit(vectors)[0], learned

    def learned(self, *, anew: bool = False) -> Learned:
        """The bot as it is stored now, learned if it was not yet.

        Args:
            anew: whether what was learned before is of no use.
        """
        with self._lock:
            held = self._held
            if held and not anew and held.revision == self.memory.revision(self.bot):
                return held
            self._held = self._learn(anew)
            return self._held

    def _learn(self, anew: bool) -> Learned:
        found = self.memory.read(self.bot)
        texts = [text for text, _ in found.examples]
        labels = [label for _, label in found.examples]
        if too_little(labels):
            raise TooLittle(labels)
        state = None if anew or found.state is None else _state_of(found.state)
        try:
            wanted = self.client.examples(texts, labels)
        except NotOffered:
            learned = state or self.client.adapt(texts, labels)
            vectors = self._vectors(texts, learned.fingerprint)
            names = np.array(labels, object)
            from_vectors = False
        else:
            vectors = self._vectors(wanted.texts, wanted.fingerprint)
            fits = (
                state is not None
                and state.fingerprint == wanted.fingerprint
                and state.class_names == wanted.class_names
            )
            learned = (
                state
                if state is not None and fits
                else self.client.adapt_vectors(vectors, texts, labels)
            )
            of_numbers = np.array([*wanted.class_names, NEGATIVE], object)
            names = of_numbers[np.minimum(wanted.numbers, len(wanted.class_names))]
            texts, from_vectors = wanted.texts, True
        if learned is not state:
            with suppress(RequestError):  # a full disk need not keep it from replying
                self.memory.save_state(self.bot, found.revision, learned.to_bytes())
        return Learned(
            found.revision, texts, names, _unit(vectors), learned, from_vectors
        )

    def vectors_of(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors `[texts, dim]` of length 1, of any texts."""
        return _unit(self._embed(texts))

    def _vectors(
        self, texts: Sequence[str], fingerprint: tuple[int, ...]
    ) -> np.ndarray:
        model = "-".join(map(str, fingerprint))
        known = self.memory.vectors(model, texts)
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            found = dict(zip(new, self._embed(new), strict=True))
            with suppress(RequestError):  # as above
                self.memory.save_vectors(model, found)
            known.update(found)
        return np.stack([known[text] for text in texts])

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        parts = range(0, len(texts), AT_ONCE)
        return np.concatenate(
            [self.client.embed(texts[start : start + AT_ONCE]) for start in parts]
        )


class TooLittle(RequestError):
    """A bot's examples do not tell anything from anything.

    Attributes:
        intents: those that it knows, none or one.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.intents = sorted({*labels} - {NEGATIVE})
        known = ", ".join(map(repr, self.intents)) or "no intent"
        super().__init__(
            f"The bot knows {known} alone; teach it two intents, or one and a text "
            "that is for none."
        )


def too_little(labels: Sequence[str]) -> bool:
    """Whether nothing can be learned from examples with these labels.

    Example:

    >>> too_little(["pay", "pay"]), too_little(["pay", "go"])
    (True, False)
    >>> too_little(["pay", NEGATIVE]), too_little([NEGATIVE, NEGATIVE])
    (False, True)
    """
    intents = {*labels} - {NEGATIVE}
    return not intents or (len(intents) == 1 and NEGATIVE not in labels)


def _state_of(stored: bytes) -> AdaptedState | None:
    try:
        state = AdaptedState.from_bytes(stored)
    except StaleStateError:
        return None
    return state if len(state.values) > 8 and np.isfinite(state.values).all() else None


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.maximum(lengths, 1e-12)).astype("float32")
