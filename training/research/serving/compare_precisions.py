"""Accuracy and weight bytes of a run in float32, bfloat16 and int8, as exported.

    python -m training.compare_precisions --model_dir=runs/first \\
        --corpus=jsonl:full.jsonl --shots=5 --results=results/precisions.json

Every precision is judged on the same test episodes. Corpus, class split and shape of
the tasks are those of the run unless they are given.
"""

import json
from pathlib import Path

from absl import app, flags

from maml_tf.evaluation import episode_accuracies, mean_with_interval
from maml_tf.serving.precision import PRECISIONS, in_precision
from training.common.files import load_model, write_aside
from training.common.running import run_script
from training.common.settings import (
    FLAGS,
    adopt_settings_of_run,
    encoded_splits,
    shape_of_tasks,
)

flags.DEFINE_string("model_dir", None, "A run of training.train.", required=True)
flags.DEFINE_integer("episodes", 200, "Test episodes.", lower_bound=2)
flags.DEFINE_string("results", None, "A JSON file to write.", required=True)


def main(argv: list[str]) -> None:
    folder = Path(FLAGS.model_dir)
    for name in ("config.json", "model.keras"):
        if not (folder / name).is_file():
            raise app.UsageError(f"{folder} has no {name}; train a model there first.")
    adopt_settings_of_run(folder)
    learner = load_model(folder / "model.keras")
    data = encoded_splits(learner.base_learner.preprocessor, ("test",))["test"]
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
        }
        print(f"{precision:9} {score}  {size / 1e6:.1f} MB", flush=True)
    text = json.dumps(rows, indent=2) + "\n"
    results = Path(FLAGS.results)
    results.parent.mkdir(parents=True, exist_ok=True)
    write_aside(results, lambda aside: aside.write_text(text))


if __name__ == "__main__":
    run_script(main)
