"""Accuracy of a meta-trained learner on the test classes of any corpus.

    python -m training.evaluate --model_dir=runs/first --results=runs/first/test.json

Corpus, class split and shape of the tasks are those of the run unless they are given,
so that the classes judged on are the ones that training never saw. On another corpus
every class is new to the model; the test share of `--class_split` is judged.
"""

import json
from pathlib import Path

from absl import app, flags

from maml_tf.evaluation import (
    accuracy_by_inner_steps,
    episode_accuracies,
    frozen_prototypes,
    mean_with_interval,
    plot_inner_steps,
)
from maml_tf.learners import MAML

from .common.files import load_model, write_aside
from .common.running import run_script
from .common.settings import (
    FLAGS,
    adopt_settings_of_run,
    encoded_splits,
    shape_of_tasks,
)

flags.DEFINE_string("model_dir", None, "A run of training.train.", required=True)
flags.DEFINE_integer("episodes", 600, "Test episodes.", lower_bound=2)
flags.DEFINE_string("results", None, "A JSON file to write.")
flags.DEFINE_string(
    "inner_steps_plot",
    None,
    "A PNG file to draw accuracy against inner steps into; for learners that have an "
    "inner loop.",
)


def main(argv: list[str]) -> None:
    folder = Path(FLAGS.model_dir)
    for name in ("config.json", "model.keras", "initial.keras"):
        if not (folder / name).is_file():
            raise app.UsageError(
                f"{folder} has no {name}; give the --output_dir of a finished "
                "training.train as --model_dir."
            )
    adopt_settings_of_run(folder)
    learner = load_model(folder / "model.keras")
    if FLAGS.inner_steps_plot and not isinstance(learner, MAML):
        raise app.UsageError(
            f"--inner_steps_plot has no meaning for a {type(learner).__name__}, which "
            "has no inner loop; leave it out."
        )
    classes = learner.number_of_classes()
    if classes is not None and FLAGS.ways > classes:
        raise app.UsageError(
            f"The model tells {classes} classes apart, so --ways={FLAGS.ways} is too "
            "many; lower it, or train with more ways or a prototypical learner."
        )
    data = encoded_splits(learner.base_learner.preprocessor, ("test",))["test"]
    options = {**shape_of_tasks(), "seed": FLAGS.seed + 2, "progress": True}
    ours = mean_with_interval(
        episode_accuracies(learner, data, episodes=FLAGS.episodes, **options)
    )
    baseline = frozen_prototypes(load_model(folder / "initial.keras").base_learner)
    frozen = mean_with_interval(
        episode_accuracies(baseline, data, episodes=FLAGS.episodes, **options)
    )
    row = {
        "accuracy": ours.mean,
        "ci95": ours.ci95,
        "episodes": ours.episodes,
        "ways": FLAGS.ways,
        "shots": FLAGS.shots,
        "queries": FLAGS.queries,
        "corpus": FLAGS.corpus,
        "class_split": FLAGS.class_split,
        "seed": FLAGS.seed,
        "frozen_prototype_accuracy": frozen.mean,
        "frozen_prototype_ci95": frozen.ci95,
        "chance": 1 / FLAGS.ways,
    }
    print(
        f"\n{FLAGS.ways}-way {FLAGS.shots}-shot accuracy on classes never seen in "
        f"training, {ours.episodes} episodes, 95 % interval\n"
        f"  meta-trained                          {ours}\n"
        f"  same encoder frozen, nearest prototype {frozen}\n"
        f"  chance                                {100 / FLAGS.ways:.2f} %"
    )
    if FLAGS.inner_steps_plot:
        curve = accuracy_by_inner_steps(learner, data, **options)
        plot_inner_steps(curve, FLAGS.inner_steps_plot, baseline=frozen)
        row["accuracy_by_inner_steps"] = {k: a.mean for k, a in curve.items()}
        print(f"Accuracy against inner steps: {FLAGS.inner_steps_plot}")
    if FLAGS.results:
        path = Path(FLAGS.results)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(row, indent=2) + "\n"
        write_aside(path, lambda aside: aside.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    run_script(main)
