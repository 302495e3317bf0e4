"""What clients of a load ask an export, of random sizes, and whether answers fit."""

import random
from collections import deque
from typing import Any, NamedTuple

TALK = "please turn off the lamp and play some music in my kitchen now"
WORDS = TALK.split()
# How often each is asked, of 100.
SHARES = {
    "predict": 35,
    "classify": 20,
    "adapt": 20,
    "adapt_dialogues": 8,
    "generate": 17,
}


class Asked(NamedTuple):
    """One good request: what it is called here, the signature, and JSON's inputs."""

    kind: str
    signature: str
    inputs: dict[str, Any]

    @property
    def is_of_language(self) -> bool:
        """Whether it is for the export of a language model."""
        return self.kind in ("adapt_dialogues", "generate")


class Talk:
    """What one client asks; it goes on from the last states that it was given.

    Args:
        name: of the client. Its intents have it in theirs, so that an answer meant for
            another is told from its own.
        seed: of all that is drawn.

    Example:

    >>> talk = Talk("a", seed=0)
    >>> talk.draw().signature in ("adapt", "predict", "classify", "generate")
    True
    """

    def __init__(self, name: str, seed: int) -> None:
        self._name, self._random = name, random.Random(seed)
        self._states: deque[dict[str, Any]] = deque(maxlen=4)
        self._personas: deque[list[float]] = deque([[]], maxlen=4)

    def draw(self) -> Asked:
        """What is asked next."""
        kind = self._random.choices([*SHARES], [*SHARES.values()])[0]
        if kind == "predict" and not self._states:
            kind = "adapt"
        return getattr(self, f"_{kind}")()

    def keep(self, asked: Asked, answer: Any) -> str:
        """Keeps a state for later; says what is wrong with an answer, "" if nothing."""
        if asked.kind == "adapt_dialogues":
            self._personas.append(answer)
            return "" if len(answer) > 1 else "The state is empty."
        if asked.kind == "generate":
            return "" if len(answer) == 1 else f"{len(answer)} texts."
        if asked.kind == "adapt":
            names = {"state": answer["state"], "class_names": answer["class_names"]}
            self._states.append(names)
            found, own = answer["class_names"], set(asked.inputs["support_labels"])
            return "" if set(found) == own else f"The classes are {found}."
        intents = answer["intents"]
        known = asked.inputs.get("class_names") or asked.inputs["support_labels"]
        if len(intents) != len(asked.inputs["query_texts"]):
            return f"{len(intents)} answers."
        return "" if set(intents) <= set(known) else f"The intents are {intents}."

    def _texts(self, most: int) -> list[str]:
        count = self._random.randint(1, most)
        return [self._text() for _ in range(count)]

    def _text(self) -> str:
        return " ".join(self._random.choices(WORDS, k=self._random.randint(1, 20)))

    def _examples(self) -> dict[str, list[str]]:
        ways, shots = self._random.randint(2, 5), self._random.randint(1, 5)
        labels = [f"{self._name} {n}" for n in range(ways) for _ in range(shots)]
        return {
            "support_texts": [self._text() for _ in labels],
            "support_labels": labels,
        }

    def _adapt(self) -> Asked:
        return Asked("adapt", "adapt", self._examples())

    def _classify(self) -> Asked:
        inputs = {**self._examples(), "query_texts": self._texts(3)}
        return Asked("classify", "classify", inputs)

    def _predict(self) -> Asked:
        state = self._random.choice(self._states)
        return Asked("predict", "predict", {**state, "query_texts": self._texts(3)})

    def _adapt_dialogues(self) -> Asked:
        turns = self._random.choice([2, 4])
        count = self._random.randint(1, 3)
        dialogues = [[self._text()[:12] for _ in range(turns)] for _ in range(count)]
        return Asked("adapt_dialogues", "adapt", {"dialogues": dialogues})

    def _generate(self) -> Asked:
        draw = self._random
        turns = [self._text()[:12] for _ in range(draw.choice([1, 3]))]
        inputs = {
            "state": draw.choice(self._personas),
            "turns": turns,
            "temperature": draw.choice([0.0, 1.0]),
            "top_k": 0,
            "top_p": 1.0,
            "seed": draw.randint(0, 1000),
            "max_new_tokens": draw.randint(4, 16),
            "stops": [],
        }
        return Asked("generate", "generate", inputs)
