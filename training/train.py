"""Meta-trains a learner on a corpus of labelled texts.

    python -m training.train --corpus=jsonl:full.jsonl --class_split=random \\
        --output_dir=runs/first

By default it trains the upper half of the encoder's layers over what the lower half
makes of each text once, in a minute or two, and goes no further than validation classes
say.
--learner=projection trains a projection behind a frozen encoder, in seconds; all other
learners train on episodes.

Writes config.json, classes.json, the untrained learner and the best by validation
episodes, its calibration.json, and checkpoints from which the same command resumes; of
learners that train on episodes also metrics.jsonl, curves.png and TensorBoard logs.

Meta-training learns how to learn new intents from many others. One bot of a few intents
needs none: training.export without --model_dir exports a learner for it.
"""

from absl import app, flags

from .common.flag_types import define_count, define_path, define_rate, define_share
from .common.learner_flags import (
    OF_LEARNERS,
    ON_KEPT,
    UPPER_LAYERS,
    check_learner_flags,
)
from .common.run import check_folder
from .common.running import run_script
from .common.settings import FLAGS
from .common.strategies import check_strategy, folder_of_process
from .common.task_data import check_tasks, read_task_data
from .common.train_settings import RotatingSettings, settings_of_flags

define_count("tasks_per_batch", 4, "Tasks in a meta-step.", most=10**4)
define_rate(
    "meta_learning_rate",
    3e-5,
    "Step size of the outer loop; unless it is given, 3e-4 for --learner=projection "
    "and 1e-4 for upper_layers.",
)
define_count(
    "steps",
    300,
    "Meta-steps in all; unless given, 200 for projection and 100 for upper_layers.",
)
define_count("validate_every", 25, "Steps between validations.")
define_count("validation_episodes", 100, "Episodes of one.", least=2)
define_count(
    "patience",
    4,
    "Stops after so many validations in a row without a new best.",
)
define_share(
    "averaging",
    0.0,
    "Decay of a running average of the weights, which is then what is validated and "
    "kept; 0 for none.",
)
flags.DEFINE_bool("jit_compile", False, "Compile the meta-step with XLA.")
flags.DEFINE_enum(
    "dtype_policy",
    "float32",
    ("float32", "mixed_bfloat16", "mixed_float16"),
    "What layers compute in; weights stay float32. Mixed is for accelerators.",
)
define_path("output_dir", None, "Where the run is written.", required=True)

# Of no use to what is not validated on the way.
LOOP_FLAGS = (
    "tasks_per_batch",
    "validate_every",
    "validation_episodes",
    "patience",
    "averaging",
    "jit_compile",
    "dtype_policy",
    "strategy",
)


def settle_learner() -> None:
    """Chooses the learner where the flags leave it open."""
    if FLAGS.learner is None:
        others = FLAGS.base_learner.startswith("scratch") or any(
            FLAGS[name].present for name in (*OF_LEARNERS, *LOOP_FLAGS)
        )
        FLAGS["learner"].value = "prototypical" if others else UPPER_LAYERS


def check_flags() -> None:
    """Refuses flags that do not fit together before any work starts."""
    settle_learner()
    check_learner_flags()
    if FLAGS.learner in ON_KEPT:
        given = [name for name in LOOP_FLAGS if FLAGS[name].present]
        if given:
            raise app.UsageError(
                f"--{given[0]} has no meaning for --learner={FLAGS.learner}, which is "
                "not validated on the way; leave it out or choose another learner."
            )
    check_strategy(FLAGS.tasks_per_batch)


def main(argv: list[str]) -> None:
    check_flags()
    FLAGS["output_dir"].value = folder_of_process(FLAGS.output_dir)
    settings = settings_of_flags()
    check_folder(FLAGS.output_dir, settings)
    data = read_task_data()
    check_tasks(data.parts(), wanted=("train", "validation"))
    # Only now is it known that there is something to wait for TensorFlow for.
    if isinstance(settings, RotatingSettings):
        from .common.train_on_kept import train_on_kept

        train_on_kept(settings, data)
    else:
        from .common.train_learner import train_learner

        train_learner(settings, data)


if __name__ == "__main__":
    run_script(main)
