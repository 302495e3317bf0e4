"""Exports a meta-trained learner as a SavedModel that adapts inside the graph.

    python -m training.export --export_dir=saved_models/mine
    python -m training.export --model_dir=runs/first --export_dir=saved_models/first

The first exports the default learner, which learns any bot from a few sentences of each
intent without a training of its own; the second a run of training.train. Both write the
next version, `saved_models/first/1`, with warm-up records and a model card, which tells
of a run what it was trained on and how accurate it is. The run's calibration.json,
fitted on its validation classes, makes the probabilities and decides what is in scope.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import app, flags, logging

from .common.default_learner_flags import (
    default_calibration_of_flags,
    default_learner_of_flags,
    refuse_flags_beside_a_run,
)
from .common.files import load_model
from .common.finished import CALIBRATION, MODEL, check_finished, describe_run
from .common.flag_types import define_path
from .common.running import run_script

if TYPE_CHECKING:
    from maml_tf.evaluation import Calibration

define_path(
    "model_dir", None, "A run of training.train; by default the default learner."
)
define_path("export_dir", None, "saved_models/NAME.", required=True)
flags.DEFINE_float(
    "scope_threshold",
    None,
    "How far above chance, 0 to 1, the likeliest intent must be for a text to be in "
    "scope; by default the run's calibration decides.",
    lower_bound=0.0,
    upper_bound=1.0,
)
flags.DEFINE_enum(
    "precision", "float32", ["float32", "bfloat16", "int8"], "Of the encoder's weights."
)

flags.DEFINE_bool(
    "class_names",
    None,
    "Take the name of an intent for one more example of it where it reads like words, "
    "as card_arrival does and intent_17 does not. By default yes for the default "
    "learner, and no for a run, whose calibration is of examples alone.",
)

FLAGS = flags.FLAGS


def main(argv: list[str]) -> None:
    logging.set_verbosity(logging.WARNING)  # TensorFlow lists every renamed input
    if FLAGS.scope_threshold is not None and FLAGS.scope_threshold != (
        FLAGS.scope_threshold
    ):
        raise app.UsageError("--scope_threshold must be a number from 0 to 1.")
    options: dict[str, Any] = {}
    if FLAGS.model_dir is not None:
        refuse_flags_beside_a_run()
        folder = Path(FLAGS.model_dir)
        check_finished(folder)
        options["card"] = describe_run(folder)
        options["calibration"] = calibration_of(folder)
        learner = load_model(folder / MODEL)
    else:
        learner = default_learner_of_flags()
        options["calibration"] = default_calibration_of_flags()

    from maml_tf.serving import export_learner

    print(
        export_learner(
            learner,
            FLAGS.export_dir,
            scope_threshold=FLAGS.scope_threshold,
            precision=FLAGS.precision,
            class_names=(
                FLAGS.model_dir is None
                if FLAGS.class_names is None
                else FLAGS.class_names
            ),
            **options,
        )
    )


def calibration_of(folder: Path) -> "Calibration":
    """What the run was calibrated to."""
    from maml_tf.evaluation.calibration import Calibration

    try:
        return Calibration.load(folder / CALIBRATION)
    except ValueError as error:
        raise app.UsageError(str(error)) from error


if __name__ == "__main__":
    run_script(main)
