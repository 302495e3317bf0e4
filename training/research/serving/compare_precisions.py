"""Accuracy and weight bytes of a run in float32, bfloat16 and int8, as exported.

    python -m training.compare_precisions --model_dir=runs/first \\
        --corpus=jsonl:full.jsonl --shots=5 --results=results/precisions.json

Every precision is judged on the same test episodes. Corpus, class split and shape of
the tasks are those of the run unless they are given.
"""

from pathlib import Path

from maml_tf.episodes import encode_corpus
from maml_tf.evaluation import episode_accuracies, mean_with_interval
from maml_tf.serving.precision import PRECISIONS, in_precision
from training.common.files import load_model, write_json
from training.common.finished import MODEL, check_finished
from training.common.flag_types import define_count, define_path
from training.common.running import run_script
from training.common.seen_classes import judged_corpus
from training.common.settings import FLAGS, adopt_settings_of_run, shape_of_tasks
from training.common.task_data import check_tasks

define_path("model_dir", None, "A run of training.train.", required=True)
define_count("episodes", 200, "Test episodes.", least=2)
define_path("results", None, "A JSON file to write.", required=True)


def main(argv: list[str]) -> None:
    folder = Path(FLAGS.model_dir)
    check_finished(folder)
    adopt_settings_of_run(folder)
    judged = judged_corpus(folder)
    check_tasks({"test": judged.corpus}, wanted=("test",))
    learner = load_model(folder / MODEL)
    data = encode_corpus(judged.corpus, learner.base_learner.preprocessor)
    rows = {}
    for precision in PRECISIONS:
        try:
            smaller = in_precision(learner, precision)
        except ValueError as error:
            print(f"{precision:9} {error}")
            continue
        shares = episode_accuracies(
            smaller,
            data,
            **shape_of_tasks(),
            episodes=FLAGS.episodes,
            seed=FLAGS.seed + 2,
            progress=True,
        )
        score = mean_with_interval(shares)
        size = sum(v.numpy().nbytes for v in smaller.variables)
        rows[precision] = {
            "accuracy": score.mean,
            "ci95": score.ci95,
            "episodes": score.episodes,
            "weight_bytes": size,
            "classes_seen_in_training": len(judged.seen),
        }
        print(f"{precision:9} {score}  {size / 1e6:.1f} MB", flush=True)
    write_json(Path(FLAGS.results), rows)


if __name__ == "__main__":
    run_script(main)
