"""Exports a meta-trained learner as a SavedModel that adapts inside the graph.

python -m training.export --model_dir=runs/first --export_dir=saved_models/first
"""

from pathlib import Path

from absl import app, flags

from maml_tf.serving import export_learner
from training.files import load_model

flags.DEFINE_string("model_dir", None, "A run of training.train.", required=True)
flags.DEFINE_string("export_dir", None, "saved_models/NAME.", required=True)


def main(argv: list[str]) -> None:
    path = Path(flags.FLAGS.model_dir) / "model.keras"
    if not path.is_file():
        raise app.UsageError(f"{path} does not exist; train a model there first.")
    print(export_learner(load_model(path), flags.FLAGS.export_dir))


if __name__ == "__main__":
    app.run(main)
