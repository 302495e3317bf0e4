"""Rows and tables of what vectors are worth in each language, beside trigrams."""

from typing import Any

import numpy as np

from maml_tf.episodes import CorpusError
from maml_tf.evaluation import mean_with_interval
from training.common.tables import markdown_table, percent
from training.research.intents.language_vectors import (
    ADAPTED,
    QUERIES,
    SHOTS,
    WAYS,
    Language,
)
from training.research.intents.paired_episodes import paired_accuracies
from training.research.intents.trigrams import trigram_vectors

TRIGRAMS = "trigrams"
Row = dict[str, Any]


def judge(
    language: Language,
    others: list[Language],
    part: str,
    *,
    episodes: int,
    seed: int = 0,
) -> list[Row]:
    """Rows of every kind of vectors on the intents of one part.

    Args:
        language: to be judged.
        others: what may be learned from beside its own training intents.
        part: of `SHARES`.
        episodes: for each number of `SHOTS`.
        seed: of the episodes.
    """
    rows = np.flatnonzero(language.parts == part)
    vectors = {TRIGRAMS: trigram_vectors(language.corpus.texts)}
    vectors |= {name: adapt(language, others) for name, adapt in ADAPTED.items()}
    found = []
    for shots in SHOTS:
        shares = paired_accuracies(
            {name: array[rows] for name, array in vectors.items()},
            language.intents[rows],
            shots=shots,
            ways=WAYS,
            queries=QUERIES,
            episodes=episodes,
            seed=seed,
            templates=np.asarray(language.corpus.templates)[rows],
        )
        for name, array in shares.items():
            score = mean_with_interval(array)
            ahead = mean_with_interval(array - shares[TRIGRAMS])
            found.append(
                {
                    "language": language.name,
                    "part": part,
                    "vectors": name,
                    "shots": shots,
                    "accuracy": round(score.mean, 5),
                    "ci95": round(score.ci95, 5),
                    "ahead_of_trigrams": round(ahead.mean, 5),
                    "ahead_ci95": round(ahead.ci95, 5),
                }
            )
    return found


def report(rows: list[dict[str, Any]]) -> str:
    """Means over languages on validation and test intents, and a line a language.

    Raises:
        CorpusError: if no language has test intents enough.
    """
    kinds = list(dict.fromkeys(row["vectors"] for row in rows))
    means = []
    for part in ("validation", "test"):
        cells = []
        for kind in kinds:
            mine = [r for r in rows if r["part"] == part and r["vectors"] == kind]
            scores = [[r["accuracy"] for r in mine if r["shots"] == s] for s in SHOTS]
            told = " / ".join(percent(float(np.mean(s))) if s else "–" for s in scores)
            cells.append(told)
        means.append([f"mean over languages, {part} intents", *cells])
    test = [row for row in rows if row["part"] == "test"]
    if not test:
        raise CorpusError("No language has five test intents; give other --languages.")
    lines = []
    for language in dict.fromkeys(row["language"] for row in test):
        cells = []
        for kind in kinds:
            mine = [
                row
                for row in test
                if row["language"] == language and row["vectors"] == kind
            ]
            cells.append(" / ".join(percent(r["accuracy"], r["ci95"]) for r in mine))
        lines.append([language, *cells])
    counts = []
    for kind in kinds[1:]:
        for shots in SHOTS:
            mine = [r for r in test if r["vectors"] == kind and r["shots"] == shots]
            ahead = sum(r["ahead_of_trigrams"] > 0 for r in mine)
            clear = sum(r["ahead_of_trigrams"] > r["ahead_ci95"] for r in mine)
            counts.append([kind, shots, f"{ahead} of {len(mine)}", clear])
    return "\n\n".join(
        [
            markdown_table(["", *kinds], means),
            markdown_table(["language", *kinds], lines),
            markdown_table(
                ["vectors", "examples", "ahead of trigrams", "outside the interval"],
                counts,
            ),
        ]
    )
