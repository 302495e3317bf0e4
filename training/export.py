"""Exports a meta-trained learner as a SavedModel that adapts inside the graph.

    python -m training.export --model_dir=runs/first --export_dir=saved_models/first

writes the next version, `saved_models/first/1`, with warm-up records and a model card
that tells what the run was trained on and how accurate it is. The run's
calibration.json, fitted on its validation classes, makes the probabilities and decides
what is in scope.
"""

from pathlib import Path

from absl import app, flags, logging

from maml_tf.evaluation.calibration import Calibration
from maml_tf.serving import export_learner
from maml_tf.serving.model_card import describe_run

from .common.files import load_model
from .common.running import run_script

flags.DEFINE_string("model_dir", None, "A run of training.train.", required=True)
flags.DEFINE_string("export_dir", None, "saved_models/NAME.", required=True)
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

FLAGS = flags.FLAGS


def calibration_of(folder: Path) -> Calibration | None:
    """What the run was calibrated to, if it was."""
    path = folder / "calibration.json"
    if not path.is_file():
        return None
    try:
        return Calibration.load(path)
    except ValueError as error:
        raise app.UsageError(str(error)) from error


def main(argv: list[str]) -> None:
    logging.set_verbosity(logging.WARNING)  # TensorFlow lists every renamed input
    folder = Path(FLAGS.model_dir)
    path = folder / "model.keras"
    if not path.is_file():
        raise app.UsageError(f"{path} does not exist; train a model there first.")
    calibration = calibration_of(folder)
    print(
        export_learner(
            load_model(path),
            FLAGS.export_dir,
            scope_threshold=FLAGS.scope_threshold,
            calibration=calibration,
            precision=FLAGS.precision,
            card=describe_run(folder),
        )
    )


if __name__ == "__main__":
    run_script(main)
