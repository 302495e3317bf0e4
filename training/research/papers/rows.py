"""One row of a table: trained, evaluated, and kept for what it was asked."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from maml_tf import MetaLearner
from training.common.loop import meta_train
from training.common.run import Run, weights_digest
from training.research.papers.report import without_infinities

# Parts of a training, between which a checkpoint may be written.
PARTS = 40


@dataclass(frozen=True)
class Row:
    """One learner of a table.

    Attributes:
        name: also names its files.
        make: makes the learner, compiled.
        meta_steps: how long it trains.
        training: from the number of the first meta-step to endless batches of tasks.
        evaluate: from the trained learner to the figures of the row, a JSON object.
        budget: what else the reader has to know about the training.
        published: the paper's figures, under the keys that `evaluate` gives.
        content: digests of the data, where there is any beside the seed.
    """

    name: str
    make: Callable[[], MetaLearner]
    meta_steps: int
    training: Callable[[int], tf.data.Dataset]
    evaluate: Callable[[MetaLearner], dict[str, Any]]
    budget: dict[str, Any] = field(default_factory=dict)
    published: dict[str, Any] = field(default_factory=dict)
    content: Callable[[], Mapping[str, str]] = dict


@dataclass(frozen=True)
class RowSettings:
    """All that is chosen of a training; initial weights and data are content."""

    name: str
    meta_steps: int
    seed: int
    budget: dict[str, Any]


def run_row(
    row: Row, work_dir: Path, *, seed: int = 0, episodes: int = 600
) -> tuple[str, dict[str, Any]]:
    """Trains and evaluates the row, or goes on from where an earlier call was ended.

    Args:
        row: what to do.
        work_dir: holds a folder with checkpoint and figures for each training.
        seed: of the initial weights.
        episodes: test tasks, for the figures are kept by their number.

    Returns:
        What the row was made under, as a digest, and `name`, `figures`, `published`,
        `budget` with the training's seconds, `episodes` and `seed`.
    """
    # Layers are named by counting; the digest has their names.
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    learner = row.make()
    learner.build_from_episode(next(iter(row.training(0)))[0])
    content = {
        "start": weights_digest(learner),
        "choices": choices_digest(learner),
        **row.content(),
    }
    settings = RowSettings(row.name, row.meta_steps, seed, row.budget)
    with Run.within(work_dir, _file_name(row.name), settings, content) as run:

        def measure() -> dict[str, Any]:
            print(f"{row.name}: {row.meta_steps} meta-steps", flush=True)
            progress = meta_train(
                run,
                learner,
                row.training,
                steps=row.meta_steps,
                part=_part(row, learner),
            )
            print(f"{row.name}: evaluating", flush=True)
            found = {
                "figures": row.evaluate(learner),
                "seconds": round(progress.seconds),
            }
            return without_infinities(found)

        found = run.value(f"figures-of-{episodes}-tasks", measure)
        digest = f"{run.digest}-{episodes}"
    budget = {"meta_steps": row.meta_steps, **row.budget}
    return digest, {
        "name": row.name,
        "figures": found["figures"],
        "published": row.published,
        "budget": {**budget, "training_seconds": found["seconds"]},
        "episodes": episodes,
        "seed": seed,
    }


def choices_digest(learner: MetaLearner) -> str:
    """64 hexadecimal digits of what a compiled learner was made and compiled with."""
    choices = {**learner.get_config(), "compiled": learner.get_compile_config()}
    # What JSON cannot hold would be written as the place in memory that it has today.
    text = json.dumps(choices, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _part(row: Row, learner: MetaLearner) -> int:
    """Meta-steps of a part, in whole executions: Keras ends an epoch at those only."""
    size = learner.steps_per_execution
    return max(1, row.meta_steps // PARTS // size) * size


def _file_name(name: str) -> str:
    """The name without what a shell or a file system may stumble over.

    >>> _file_name("MAML++, 5 steps, 5-shot")
    'MAML++-5-steps-5-shot'
    """
    return name.replace(",", "").replace(" ", "-")
