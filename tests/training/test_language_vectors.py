"""Centred and whitened vectors of languages, and the rows that compare them."""

import numpy as np
import pytest

from maml_tf.episodes import Corpus, CorpusError
from training.research.intents.language_rows import judge, report
from training.research.intents.language_vectors import Language, divide


def language(name, seed, *, intents=12, texts=10):
    """Intents lie on a sphere that the language moves far away from the origin."""
    random = np.random.default_rng(seed)
    labels = np.repeat([f"intent {i}" for i in range(intents)], texts)
    part_of = {
        f"intent {i}": ("training", "validation", "test")[i % 2 * 2]
        for i in range(intents)
    }
    centres = np.repeat(np.random.default_rng(0).normal(size=(intents, 16)), texts, 0)
    vectors = 12 * random.normal(size=16) + centres
    vectors += random.normal(size=vectors.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    corpus = Corpus(
        tuple(str(number) for number in random.random(len(labels))),
        tuple(labels),
        templates=tuple(map(str, range(len(labels)))),
    )
    parts = np.array([part_of[label] for label in labels])
    return Language(name, corpus, labels, parts, vectors.astype("float32"))


def test_a_centre_of_the_language_helps_and_one_of_others_does_not():
    first, *others = (language(name, seed) for seed, name in enumerate("abc"))
    assert first.can_judge("test") and not first.can_judge("validation")
    rows = judge(first, others, "test", episodes=60)
    scores = {(row["vectors"], row["shots"]): row["accuracy"] for row in rows}
    assert scores["centred", 1] > scores["frozen", 1] + 0.02
    assert scores["centred", 1] > scores["centred elsewhere", 1] + 0.02
    assert scores["whitened", 1] > scores["frozen", 1] + 0.02
    for row in rows:
        ahead = scores[row["vectors"], row["shots"]] - scores["trigrams", row["shots"]]
        assert row["ahead_of_trigrams"] == pytest.approx(ahead, abs=2e-5)
    table = report(rows)
    assert "| mean over languages, validation intents | – / – |" in table
    assert "| centred | 1 | 1 of 1 | 1 |" in table
    with pytest.raises(CorpusError, match="No language has five test intents"):
        report([{**row, "part": "validation"} for row in rows])


def test_every_intent_is_of_one_part_whatever_the_seed():
    names = [f"intent {i}" for i in range(42)]
    first, second = divide(names, 0), divide(names[::-1], 1)
    assert set(first) == set(second) == set(names) and first != second
    assert list(first.values()).count("test") == list(second.values()).count("test")
    assert divide(names[::-1], 0) == first
