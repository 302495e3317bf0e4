"""A multilingual encoder as it is against character trigrams, in every language.

    python -m training.multilingual --base_learner=DIR --text_prefix="query: " \\
        --results=results/multilingual.json

DIR holds multilingual-e5-small or its kind. The intents of the built-in corpus are
divided into three parts, the same in all languages: bots of five test intents are
learned by nearest prototype; training intents give what is adapted in closed form, a
centre or a whitening; validation intents choose between these. All kinds of vectors are
asked the same tasks, and sentences of one template never stand on both sides of one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from maml_tf.base_learners import create_text_encoder
from maml_tf.base_learners.whitening import WithinClassWhitening
from maml_tf.episodes import Corpus, read_corpus
from maml_tf.episodes.sampler import large_classes
from maml_tf.evaluation import mean_with_interval
from maml_tf.evaluation.features import Embedder
from training.common.digests import encoder_digest
from training.common.files import write_aside, write_json
from training.common.flag_types import define_count, define_path, define_seed
from training.common.projection import first_of_each
from training.common.run import Run
from training.common.running import run_script
from training.common.tables import markdown_table, percent
from training.research.intents.paired_episodes import paired_accuracies
from training.research.intents.trigrams import trigram_vectors

FLAGS = flags.FLAGS
flags.DEFINE_string("languages", "all", "Of home_assistant_intents, as en,de,zh-CN.")
flags.DEFINE_string("base_learner", None, "The encoder.", required=True)
flags.DEFINE_string("text_prefix", "", 'What it wants before a text: "query: ".')
define_count("sequence_length", 48, "Longest text in tokens.", least=4)
define_count("texts", 30, "Of an intent and language, at most.", least=6)
define_count("episodes", 600, "Test tasks a language and number of examples.", least=2)
define_count("validation_episodes", 200, "To choose by.", least=2)
define_seed("seed", 0, "Fixes the division of the intents and the tasks.")
define_path("results", "results/multilingual.json", "The JSON file to write.")
define_path("work_dir", "runs/multilingual", "Vectors.")
SHOTS = (1, 5)
WAYS = QUERIES = 5
TRIGRAMS, FROZEN = "trigrams", "frozen"
SHARES = {"training": 0.3, "validation": 0.25, "test": 0.45}


@dataclass(frozen=True)
class VectorSettings:
    """All that is chosen of the vectors of a language."""

    base_learner: str
    text_prefix: str
    sequence_length: int
    texts: int
    language: str


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


def read_languages() -> list[Language]:
    """Every language with its vectors, which are kept."""
    corpus = read_corpus(f"home_assistant_intents:{FLAGS.languages}")
    several = len(set(corpus.groups or ())) > 1
    intents = np.array(
        [label.partition("/")[2] if several else label for label in corpus.labels]
    )
    part_of = divide(sorted(set(intents.tolist())), FLAGS.seed)
    encoder = create_text_encoder(
        FLAGS.base_learner,
        pretrained="base",
        normalize=True,
        sequence_length=FLAGS.sequence_length,
        text_prefix=FLAGS.text_prefix,
    )
    digest, embedder = encoder_digest(encoder), Embedder(encoder, batch_size=128)
    found = []
    for name in sorted(set(corpus.groups or ())):
        rows = np.flatnonzero(np.asarray(corpus.groups) == name)
        rows = np.sort(first_of_each(rows, intents[rows], FLAGS.texts))
        own = _rows_of(corpus, rows)
        settings = VectorSettings(
            FLAGS.base_learner,
            FLAGS.text_prefix,
            FLAGS.sequence_length,
            FLAGS.texts,
            name,
        )
        content = {"encoder": digest, "corpus": own.digest()}
        with Run.within(FLAGS.work_dir, name, settings, content) as run:
            print(f"{name}: {len(rows)} sentences", flush=True)
            vectors = run.array(
                "vectors", lambda own=own: embedder.embed_texts(list(own.texts))
            )
        parts = np.array([part_of[intent] for intent in intents[rows]])
        found.append(Language(name, own, intents[rows], parts, vectors))
    return found


def _rows_of(corpus: Corpus, rows: np.ndarray) -> Corpus:
    columns = (corpus.texts, corpus.labels, corpus.groups or (), corpus.templates or ())
    texts, labels, groups, templates = (
        tuple(column[row] for row in rows) for column in columns
    )
    return Corpus(texts, labels, groups, templates, name=corpus.name)


def judge(language: Language, others: list[Language], part: str) -> list[dict]:
    """Rows of every kind of vectors on the intents of one part."""
    rows = np.flatnonzero(language.parts == part)
    vectors = {TRIGRAMS: trigram_vectors(language.corpus.texts)}
    vectors |= {name: adapt(language, others) for name, adapt in ADAPTED.items()}
    count = FLAGS.episodes if part == "test" else FLAGS.validation_episodes
    found = []
    for shots in SHOTS:
        shares = paired_accuracies(
            {name: array[rows] for name, array in vectors.items()},
            language.intents[rows],
            shots=shots,
            ways=WAYS,
            queries=QUERIES,
            episodes=count,
            seed=FLAGS.seed,
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


def main(argv: list[str]) -> None:
    languages = read_languages()
    rows: list[dict[str, Any]] = []
    for language in languages:
        others = [
            other
            for other in languages
            if other is not language and "training" in other.parts
        ]
        for part in ("validation", "test"):
            if "training" in language.parts and language.can_judge(part):
                rows += judge(language, others, part)
            else:
                print(f"{language.name} has too few {part} intents.", flush=True)
        print(language.name, flush=True)
    path = Path(FLAGS.results)
    write_json(path, rows)
    text = report(rows)
    write_aside(path.with_suffix(".md"), lambda aside: aside.write_text(text + "\n"))
    print(text)


def report(rows: list[dict[str, Any]]) -> str:
    """Means over languages on validation and test intents, and a line a language.

    Raises:
        ValueError: if no language has test intents enough.
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
        raise ValueError("No language has five test intents; give other --languages.")
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


if __name__ == "__main__":
    run_script(main)
