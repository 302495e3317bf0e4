"""Intents that arrive in groups: what is taught, asked, and left for corrections."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maml_tf.episodes import Corpus, CorpusError


@dataclass(frozen=True)
class Stream:
    """Row numbers of a corpus, by group of intents, in the order of arrival.

    Attributes:
        vectors: of all rows, `[rows, dim]`.
        labels: the intent's number of each row, in the order of arrival.
        groups: the numbers of the intents of each arrival.
        taught: rows to learn from, of each arrival.
        asked: rows to answer, of each arrival.
        left: rows of neither, of all intents.
        names: vectors of the intents' names, `[intents, dim]`, if there are any.
    """

    vectors: np.ndarray
    labels: np.ndarray
    groups: list[np.ndarray]
    taught: list[np.ndarray]
    asked: list[np.ndarray]
    left: np.ndarray
    names: np.ndarray | None = None

    @property
    def intents(self) -> int:
        """How many there are in the end."""
        return sum(map(len, self.groups))


def groups_of(
    corpus: Corpus, path: str | None, at_once: int, random: np.random.Generator
) -> list[list[str]]:
    """The intents of each arrival, in random order.

    Args:
        corpus: whose classes arrive.
        path: a JSON object from a group's name to its intents; random groups if None.
        at_once: how many intents are in a random group.
        random: draws the order.

    Raises:
        CorpusError: if the file names other intents than the corpus has.
    """
    if path is None:
        order = random.permutation(corpus.classes).tolist()
        return [
            order[start : start + at_once] for start in range(0, len(order), at_once)
        ]
    try:
        named = json.loads(Path(path).read_text("utf-8"))
        groups = [[str(intent) for intent in named[name]] for name in named]
    except (ValueError, TypeError) as error:
        raise CorpusError(f"{path} is no JSON object of lists of intents.") from error
    found = [intent for group in groups for intent in group]
    if sorted(found) != sorted(corpus.classes):
        raise CorpusError(
            f"{path} has to name each of the {len(corpus.classes)} intents of "
            f"{corpus.name} once; it names {len(found)}, {len(set(found))} of them "
            "different."
        )
    return [groups[number] for number in random.permutation(len(groups))]


def make_stream(
    corpus: Corpus,
    vectors: np.ndarray,
    groups: list[list[str]],
    *,
    examples: int,
    questions: int,
    random: np.random.Generator,
    names: Mapping[str, np.ndarray] | None = None,
) -> Stream:
    """Draws what is taught and asked of every intent.

    Args:
        corpus: whose classes arrive.
        vectors: of its texts, `[texts, dim]`.
        groups: the intents of each arrival.
        examples, questions: of each intent.
        random: draws them.
        names: the vector of each intent's name.

    Raises:
        CorpusError: if an intent has too few texts.
    """
    rows = np.asarray(corpus.labels)
    order = [intent for group in groups for intent in group]
    numbers = {intent: number for number, intent in enumerate(order)}
    taught, asked, left = [], [], []
    for group in groups:
        learned, judged = [], []
        for intent in group:
            own = random.permutation(np.flatnonzero(rows == intent))
            if len(own) < examples + questions:
                raise CorpusError(
                    f"{intent} has {len(own)} texts; {examples} examples and "
                    f"{questions} questions are wanted of each intent."
                )
            judged.append(own[:questions])
            learned.append(own[questions : questions + examples])
            left.append(own[questions + examples :])
        taught.append(np.concatenate(learned))
        asked.append(np.concatenate(judged))
    return Stream(
        vectors,
        np.array([numbers[label] for label in rows]),
        [np.array([numbers[intent] for intent in group]) for group in groups],
        taught,
        asked,
        np.concatenate(left),
        None if names is None else np.stack([names[intent] for intent in order]),
    )
