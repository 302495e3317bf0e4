"""Vectors of a language's sentences, as they are and adapted in closed form."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from maml_tf.base_learners.whitening import WithinClassWhitening
from maml_tf.episodes import Corpus
from maml_tf.episodes.sampler import large_classes

SHOTS = (1, 5)
WAYS = QUERIES = 5
FROZEN = "frozen"
SHARES = {"training": 0.3, "validation": 0.25, "test": 0.45}


@dataclass(frozen=True)
class Language:
    """The sentences of a language.

    Attributes:
        name: its code.
        corpus: at most `--texts` of each intent.
        intents: `[texts]`, without the language.
        parts: `[texts]`, of which part of `SHARES` the intent is.
        vectors: `[texts, dim]`, of length 1.
    """

    name: str
    corpus: Corpus
    intents: np.ndarray
    parts: np.ndarray
    vectors: np.ndarray

    def of_part(self, part: str) -> np.ndarray:
        """Vectors of the intents of one part."""
        return self.vectors[self.parts == part]

    def can_judge(self, part: str) -> bool:
        """Whether enough intents have sentences enough for the largest tasks."""
        rows = np.flatnonzero(self.parts == part)
        templates = np.asarray(self.corpus.templates)[rows]
        marks = np.unique(templates, return_inverse=True)[1]
        count = large_classes(
            self.intents[rows], shots=max(SHOTS), queries=QUERIES, templates=marks
        )
        return count >= WAYS


Adapted = Callable[[Language, list[Language]], np.ndarray]


def frozen(language: Language, others: list[Language]) -> np.ndarray:
    return language.vectors


def centred_elsewhere(language: Language, others: list[Language]) -> np.ndarray:
    """Without the mean over the training intents of all other languages."""
    layer = WithinClassWhitening()
    layer.centre_on(np.stack([o.of_part("training").mean(axis=0) for o in others]))
    return np.asarray(layer(language.vectors))


def centred(language: Language, others: list[Language]) -> np.ndarray:
    """Without the mean over the language's own training intents."""
    layer = WithinClassWhitening()
    layer.centre_on(language.of_part("training"))
    return np.asarray(layer(language.vectors))


def whitened(language: Language, others: list[Language]) -> np.ndarray:
    """Whitened by the other languages' training intents, centred by its own."""
    layer = WithinClassWhitening()
    layer.adapt(
        np.concatenate([o.of_part("training") for o in others]),
        np.concatenate(
            [
                [f"{o.name}/{intent}" for intent in o.intents[o.parts == "training"]]
                for o in others
            ]
        ),
    )
    layer.centre_on(language.of_part("training"))
    return np.asarray(layer(language.vectors))


ADAPTED: dict[str, Adapted] = {
    FROZEN: frozen,
    "centred elsewhere": centred_elsewhere,
    "centred": centred,
    "whitened": whitened,
}


def divide(intents: list[str], seed: int) -> dict[str, str]:
    """The part of each intent, the same in every language.

    >>> parts = list(divide([f"intent {i}" for i in range(20)], 0).values())
    >>> [parts.count(part) for part in SHARES]
    [6, 5, 9]
    """
    names = sorted(intents)
    order = np.random.default_rng(seed).permutation(len(names))
    ends = np.round(np.cumsum(list(SHARES.values())) * len(names))
    places = np.searchsorted(ends, np.arange(len(names)), side="right")
    kinds = list(SHARES)
    return {names[i]: kinds[place] for i, place in zip(order, places, strict=True)}
