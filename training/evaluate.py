"""Accuracy of a meta-trained learner on the test classes of any corpus.

    python -m training.evaluate --model_dir=runs/first --results=runs/first/test.json

Corpus, class split and shape of the tasks are those of the run unless they are given,
so that the classes judged on are the ones that training never saw; --seed draws other
episodes from the same classes. On another corpus the test share of --class_split is
judged. Classes that the run has seen, whatever corpus or split they come by, are
refused. Without --model_dir the default learner is judged, with the encoder and the
delta that --base_learner and --pretrained name; --centre_corpus must hold none of the
texts that are judged on.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import app

from .common.default_learner_flags import (
    default_learner_of_flags,
    refuse_flags_beside_a_run,
)
from .common.files import check_output_file, load_model, write_json
from .common.finished import INITIAL, MODEL
from .common.flag_types import define_count, define_path
from .common.run import RunError
from .common.running import run_script
from .common.seen_by_centre import without_centre
from .common.seen_classes import Judged, judged_corpus
from .common.settings import (
    FLAGS,
    adopt_settings_of_run,
    shape_of_tasks,
    split_seed,
)
from .common.strategies import check_strategy, scope_of_strategy
from .common.task_data import check_tasks, read_task_data

if TYPE_CHECKING:
    from maml_tf import MetaLearner

define_path(
    "model_dir", None, "A run of training.train; by default the default learner."
)
define_count("episodes", 600, "Test episodes.", least=2)
define_path("results", None, "A JSON file to write.")
define_path(
    "inner_steps_plot",
    None,
    "A PNG file to draw accuracy against inner steps into; for learners that have an "
    "inner loop.",
)


def main(argv: list[str]) -> None:
    check_strategy(None)
    for path in (FLAGS.results, FLAGS.inner_steps_plot):
        if path is not None:
            check_output_file(Path(path))
    if FLAGS.model_dir is None:
        judged, config = Judged(read_task_data().split.test), {}
        judged = without_centre(judged, policy=FLAGS.seen_classes)
    else:
        refuse_flags_beside_a_run()
        folder = Path(FLAGS.model_dir)
        config = adopt_settings_of_run(folder)
        check_evaluable(folder)
        judged = judged_corpus(folder)
    check_tasks({"test": judged.corpus}, wanted=("test",))
    with scope_of_strategy(None):
        evaluate(judged, config)


def evaluate(judged: Judged, config: dict[str, Any]) -> None:
    """Judges the learner of the flags on a corpus of unseen classes."""
    import tensorflow as tf

    from maml_tf.episodes import encode_corpus
    from maml_tf.evaluation import (
        accuracy_by_inner_steps,
        episode_accuracies,
        frozen_prototypes,
        mean_with_interval,
        plot_inner_steps,
    )
    from maml_tf.evaluation.seen import delta_of

    from .common.seen_by_delta import unseen_by_delta

    delta = delta_of(
        config.get("base_learner", FLAGS.base_learner),
        config.get("pretrained", FLAGS.pretrained),
    )
    judged = unseen_by_delta(judged, delta, policy=FLAGS.seen_classes)
    learner, untrained = load_learners()
    check_learner(learner)
    data = encode_corpus(judged.corpus, learner.base_learner.preprocessor)
    options: dict[str, Any] = {
        **shape_of_tasks(),
        "seed": FLAGS.seed + 2,
        "progress": True,
        # At least one for each device of --strategy.
        "tasks_per_batch": max(2, tf.distribute.get_strategy().num_replicas_in_sync),
    }
    ours = mean_with_interval(
        episode_accuracies(learner, data, episodes=FLAGS.episodes, **options)
    )
    frozen = mean_with_interval(
        episode_accuracies(
            frozen_prototypes(untrained), data, episodes=FLAGS.episodes, **options
        )
    )
    row = {
        "accuracy": ours.mean,
        "ci95": ours.ci95,
        "episodes": ours.episodes,
        **shape_of_tasks(),
        "corpus": FLAGS.corpus,
        "class_split": FLAGS.class_split,
        "split_seed": split_seed(),
        "seed": FLAGS.seed,
        "classes": len(judged.corpus.classes),
        "classes_seen_in_training": len(judged.seen),
        "frozen_prototype_accuracy": frozen.mean,
        "frozen_prototype_ci95": frozen.ci95,
        "chance": 1 / FLAGS.ways,
    }
    told = "never seen in training"
    if judged.seen:
        told = (
            f"of which {len(judged.seen)} of {len(judged.corpus.classes)} were seen in "
            "training"
        )
    print(
        f"\n{FLAGS.ways}-way {FLAGS.shots}-shot accuracy on classes {told}, "
        f"{ours.episodes} episodes, 95 % interval\n"
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
        write_json(Path(FLAGS.results), row)


def check_evaluable(folder: Path) -> None:
    """Refuses a run that has no model yet."""
    for name in (MODEL, INITIAL):
        if not (folder / name).is_file():
            raise RunError(
                f"{folder} has no {name}; give the --output_dir of a finished "
                "training.train as --model_dir."
            )


def load_learners() -> "tuple[MetaLearner, Any]":
    """The learner that is judged, and the base learner before its training."""
    if FLAGS.model_dir is not None:
        folder = Path(FLAGS.model_dir)
        untrained = load_model(folder / INITIAL).base_learner
        return load_model(folder / MODEL), untrained
    from maml_tf.base_learners import create_text_encoder

    return (
        default_learner_of_flags(),
        create_text_encoder(
            FLAGS.base_learner,
            pretrained="base",
            normalize=True,
            text_prefix=FLAGS.text_prefix,
        ),
    )


def check_learner(learner: "MetaLearner") -> None:
    """Refuses flags that the learner cannot follow."""
    from maml_tf.learners import MAML

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


if __name__ == "__main__":
    run_script(main)
