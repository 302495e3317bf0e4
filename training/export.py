"""Exports a meta-trained learner as a SavedModel that adapts inside the graph.

    python -m training.export --model_dir=runs/first --export_dir=saved_models/first

writes the next version, `saved_models/first/1`, with warm-up records and a model card
that tells what the run was trained on and how accurate it is. Where the run has a
scope.json with a calibrated "threshold", it decides what is in scope.
"""

import json
from pathlib import Path

from absl import app, flags, logging

from maml_tf.serving import export_learner
from maml_tf.serving.model_card import describe_run
from training.files import load_model
from training.running import run_script

flags.DEFINE_string("model_dir", None, "A run of training.train.", required=True)
flags.DEFINE_string("export_dir", None, "saved_models/NAME.", required=True)
flags.DEFINE_float(
    "scope_threshold",
    None,
    "How far above chance, 0 to 1, the likeliest intent must be for a text to be in "
    "scope; by default the calibrated threshold of the run, else 0.5.",
    lower_bound=0.0,
    upper_bound=1.0,
)
flags.DEFINE_enum(
    "precision", "float32", ["float32", "bfloat16", "int8"], "Of the encoder's weights."
)

FLAGS = flags.FLAGS


def scope_threshold(folder: Path) -> float | None:
    """The flag, else the threshold that the run calibrated, else None."""
    if FLAGS.scope_threshold is not None:
        return FLAGS.scope_threshold
    calibrated = folder / "scope.json"
    if not calibrated.is_file():
        return None
    try:
        return float(json.loads(calibrated.read_text())["threshold"])
    except (ValueError, KeyError, TypeError) as error:
        raise app.UsageError(f'{calibrated} holds no "threshold".') from error


def main(argv: list[str]) -> None:
    logging.set_verbosity(logging.WARNING)  # TensorFlow lists every renamed input
    folder = Path(FLAGS.model_dir)
    path = folder / "model.keras"
    if not path.is_file():
        raise app.UsageError(f"{path} does not exist; train a model there first.")
    threshold = scope_threshold(folder)
    print(
        export_learner(
            load_model(path),
            FLAGS.export_dir,
            scope_threshold=threshold,
            precision=FLAGS.precision,
            card=describe_run(folder),
        )
    )


if __name__ == "__main__":
    run_script(main)
