"""Accuracy of a meta-trained learner on the test classes of any corpus.

    python -m training.evaluate --model_dir=runs/first --corpus=jsonl:full.jsonl \\
        --results=accuracy.json
"""

import json
from pathlib import Path

from absl import app, flags

from maml_tf.episodes import episode_dataset
from maml_tf.evaluation import (
    episode_accuracies,
    frozen_prototypes,
    mean_with_interval,
)
from training.files import load_model
from training.settings import FLAGS, encoded_splits, shape_of_tasks

flags.DEFINE_string("model_dir", None, "A run of training.train.", required=True)
flags.DEFINE_integer("episodes", 600, "Test episodes.", lower_bound=2)
flags.DEFINE_string("results", None, "A JSON file to write.")


def main(argv: list[str]) -> None:
    folder = Path(FLAGS.model_dir)
    for name in ("model.keras", "initial.keras"):
        if not (folder / name).is_file():
            raise app.UsageError(
                f"{folder} has no {name}; give the --output_dir of a finished "
                "training.train as --model_dir."
            )
    learner = load_model(folder / "model.keras")
    classes = learner.number_of_classes()
    if classes is not None and FLAGS.ways > classes:
        raise app.UsageError(
            f"The model tells {classes} classes apart, so --ways={FLAGS.ways} is too "
            "many; lower it, or train with more ways or a prototypical learner."
        )
    data = encoded_splits(learner.base_learner.preprocessor, ("test",))["test"]
    episodes = episode_dataset(
        data,
        **shape_of_tasks(),
        tasks_per_batch=2,
        seed=FLAGS.seed + 2,
        steps=-(-FLAGS.episodes // 2),
        drop_small_classes=True,
    )
    ours = mean_with_interval(episode_accuracies(learner, episodes))
    baseline = frozen_prototypes(load_model(folder / "initial.keras").base_learner)
    frozen = mean_with_interval(episode_accuracies(baseline, episodes))
    row = {
        "accuracy": ours.mean,
        "ci95": ours.ci95,
        "episodes": ours.episodes,
        "ways": FLAGS.ways,
        "shots": FLAGS.shots,
        "frozen_prototype_accuracy": frozen.mean,
        "frozen_prototype_ci95": frozen.ci95,
        "chance": 1 / FLAGS.ways,
    }
    print(f"meta-trained             {ours}")
    print(f"frozen encoder, nearest  {frozen}")
    print(f"chance                   {100 / FLAGS.ways:.2f} %")
    if FLAGS.results:
        Path(FLAGS.results).parent.mkdir(parents=True, exist_ok=True)
        Path(FLAGS.results).write_text(json.dumps(row, indent=2) + "\n")


if __name__ == "__main__":
    app.run(main)
