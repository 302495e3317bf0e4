"""Bots of vectors: what each answers to its own questions, its examples and others'."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from maml_tf.evaluation.calibrate import AskedBot
from maml_tf.evaluation.calibration import scope_scores
from maml_tf.evaluation.scope_rule import support_features
from maml_tf.evaluation.vector_episodes import cosine_logits, cosine_prototypes

SHOTS = (1, 2, 3, 5, 10)
WAYS = (3, 5, 10, 15, 30)
QUESTIONS = 6
FOREIGN_CLASSES = 15
FOREIGN_TEXTS = 30


@dataclass(frozen=True)
class CorpusVectors:
    """A corpus as an encoder sees it.

    Attributes:
        name: of the corpus.
        vectors: of its texts, `[texts, dim]`, each of length 1.
        labels: int `[texts]`.
        names: vectors of the class names, `[classes, dim]`.
    """

    name: str
    vectors: np.ndarray
    labels: np.ndarray
    names: np.ndarray


@dataclass(frozen=True)
class ScopeBot:
    """A bot that was asked its own questions and others.

    Attributes:
        asked: its own questions.
        shots: examples of each intent.
        named: whether the name of each intent was one more.
        near: largest logits of texts of the corpus' other classes.
        far: the same of texts of none of the classes.
    """

    asked: AskedBot
    shots: int
    named: bool
    near: np.ndarray
    far: np.ndarray


def scope_bots(
    corpus: CorpusVectors, foreign: np.ndarray, *, bots: int, seed: int
) -> Iterator[ScopeBot]:
    """Draws bots of 3 to 30 intents with 1 to 10 examples, half of them with names.

    Args:
        corpus: whose classes are the intents; some are left for foreign questions.
        foreign: vectors `[texts, dim]` of none of the classes; may be none at all.
        bots: how many.
        seed: fixes the draws.
    """
    random = np.random.default_rng(seed)
    classes = np.arange(len(corpus.names))
    # A class is left over, for questions from beside the bot.
    ways_to_be_had = [ways for ways in WAYS if ways < len(classes)]
    for _ in range(bots):
        ways, shots = random.choice(ways_to_be_had), int(random.choice(SHOTS))
        named = bool(random.random() < 0.5)
        order = random.permutation(classes)
        inside, beside = order[:ways], order[ways:][:FOREIGN_CLASSES]
        examples, questions = [], []
        for intent in inside:
            rows = random.permutation(np.flatnonzero(corpus.labels == intent))
            examples.append(corpus.vectors[rows[:shots]])
            questions.append(corpus.vectors[rows[shots : shots + QUESTIONS]])
        if named:
            examples = [
                np.concatenate([part, corpus.names[[intent]]])
                for part, intent in zip(examples, inside, strict=True)
            ]
        support, numbers = _with_numbers(examples)
        asked, labels = _with_numbers(questions)
        prototypes = cosine_prototypes(support, numbers)
        near = random.permutation(np.flatnonzero(np.isin(corpus.labels, beside)))
        far = random.permutation(len(foreign))[:FOREIGN_TEXTS]
        features = support_features(cosine_logits(prototypes, support), numbers)
        yield ScopeBot(
            AskedBot(features.numpy(), cosine_logits(prototypes, asked), labels),
            shots,
            named,
            *(
                scope_scores(cosine_logits(prototypes, vectors))
                for vectors in (corpus.vectors[near[:FOREIGN_TEXTS]], foreign[far])
            ),
        )


def _with_numbers(parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return np.concatenate(parts).astype("float64"), numbers
