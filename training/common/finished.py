"""What a finished run leaves for evaluating and exporting it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import write_aside, write_json
from .run import RunError, read_config

if TYPE_CHECKING:
    from maml_tf import MetaLearner
    from maml_tf.evaluation import Calibration

MODEL, INITIAL, CALIBRATION = "model.keras", "initial.keras", "calibration.json"
NEWEST, PREVIOUS = "checkpoint.safetensors", "checkpoint-previous.safetensors"
CURVES, FINISHED, METRICS = "curves.png", "finished.json", "metrics.jsonl"


def finish(
    folder: Path,
    learner: "MetaLearner",
    calibrate: Callable[["MetaLearner"], "Calibration"],
    *,
    step: int,
    rows: list[dict[str, Any]] | None = None,
) -> None:
    """Writes model.keras, calibration.json and curves.png, then that they are there.

    Nothing is done again for a run that was finished at this step.

    Args:
        folder: the run's.
        learner: trained.
        calibrate: measures the learner's calibration.
        step: at which the training ended.
        rows: of the validations, to be drawn.
    """
    if finished_step(folder) == step:
        print(f"This run is finished: {folder / MODEL}.")
        return
    # Files of two lengths of the run must not be taken for one.
    (folder / FINISHED).unlink(missing_ok=True)
    write_aside(folder / CALIBRATION, calibrate(learner).save)
    if rows:
        _draw(rows, folder / CURVES)
    write_aside(folder / MODEL, learner.save)
    write_json(folder / FINISHED, {"step": step})


def _draw(rows: list[dict[str, Any]], path: Path) -> None:
    from maml_tf.evaluation import plot_curves

    try:
        plot_curves(rows, path)
    except ImportError as error:
        print(f"{path.name} is not drawn: pip install 'maml-tf[plot]' ({error}).")


def finished_step(folder: Path) -> int | None:
    """The step at which the run in a folder was finished; None if it is not."""
    if not all((folder / name).is_file() for name in (MODEL, CALIBRATION)):
        return None
    try:
        return int(json.loads((folder / FINISHED).read_text())["step"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def check_finished(folder: Path) -> None:
    """Refuses a folder that holds no finished run.

    Raises:
        RunError: saying what is missing.
    """
    if not folder.is_dir():
        raise RunError(f"{folder} does not exist; train a model there first.")
    if not read_config(folder):
        raise RunError(
            f"{folder} holds no run, for it has no config.json; give the --output_dir "
            "of training.train."
        )
    if finished_step(folder) is None:
        raise RunError(
            f"The run in {folder} is not finished; give its training.train command "
            "again, which goes on where it was."
        )


def describe_run(folder: Path) -> dict[str, Any]:
    """What a run was trained on and the accuracy it measured, for a model card.

    Results of training.evaluate are taken from the JSON files beside the run's own.
    """
    card: dict[str, Any] = {"trained_with": read_config(folder)}
    try:
        lines = (folder / METRICS).read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        card["validation"] = max(rows, key=lambda row: row["validation_accuracy"])
    except (OSError, ValueError, KeyError, TypeError):
        # A projection has none, and a file that somebody broke tells nothing.
        pass
    for path in sorted(folder.glob("*.json")):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            continue  # somebody's own file
        if isinstance(found, dict) and {"accuracy", "episodes"} <= found.keys():
            card.setdefault("test", {})[path.stem] = found
    return card
