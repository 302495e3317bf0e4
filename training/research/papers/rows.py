"""Training one row of a table, so that a kill at any moment costs a minute at most."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from maml_tf import MetaLearner
from training.common.files import load_model, write_aside


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
    """

    name: str
    make: Callable[[], MetaLearner]
    meta_steps: int
    training: Callable[[int], tf.data.Dataset]
    evaluate: Callable[[MetaLearner], dict[str, Any]]
    budget: dict[str, Any] = field(default_factory=dict)
    published: dict[str, Any] = field(default_factory=dict)


def run_row(row: Row, folder: Path, *, seed: int = 0) -> dict[str, Any]:
    """Trains and evaluates the row, or goes on from where an earlier call was ended.

    Args:
        row: what to do.
        folder: holds the row's checkpoint and, once done, its result.
        seed: of the initial weights.

    Returns:
        `name`, `figures`, `published`, `budget` with the training's seconds.
    """
    folder = folder / f"{row.name}-{row.meta_steps}"
    done = folder / "result.json"
    if done.exists():
        return json.loads(done.read_text())
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(seed)
    learner, seconds = _train(row, folder)
    print(f"{row.name}: evaluating", flush=True)
    budget = {"meta_steps": row.meta_steps, **row.budget}
    result = {
        "name": row.name,
        "figures": row.evaluate(learner),
        "published": row.published,
        "budget": {**budget, "training_seconds": round(seconds)},
    }
    write_aside(done, lambda path: path.write_text(json.dumps(result, indent=2)))
    return result


def _train(row: Row, folder: Path) -> tuple[MetaLearner, float]:
    checkpoint, clock = folder / "checkpoint.keras", folder / "seconds.json"
    learner = load_model(checkpoint) if checkpoint.exists() else row.make()
    start = int(learner.optimizer.iterations.numpy()) if checkpoint.exists() else 0
    earlier = json.loads(clock.read_text()) if start else 0.0
    if start < row.meta_steps:
        saver = _Checkpoint(row, checkpoint, clock, start, earlier)
        # Keras ends an epoch at whole executions only.
        chunk = min(max(learner.steps_per_execution, row.meta_steps // 200), 100)
        chunk = max(1, chunk // learner.steps_per_execution)
        chunk *= learner.steps_per_execution
        learner.fit(
            row.training(start).take(row.meta_steps - start),
            steps_per_epoch=chunk,
            epochs=-(-(row.meta_steps - start) // chunk),
            callbacks=[saver],
            verbose=0,
        )
        print()
        earlier = saver.seconds
    return learner, earlier


class _Checkpoint(keras.callbacks.Callback):
    """Saves once a minute and at the end, and keeps one line of progress."""

    def __init__(
        self, row: Row, path: Path, clock: Path, start: int, earlier: float
    ) -> None:
        super().__init__()
        self.row, self.path, self.clock = row, path, clock
        self.start, self.earlier = start, earlier
        self.began = self.saved = time.monotonic()

    @property
    def seconds(self) -> float:
        return self.earlier + time.monotonic() - self.began

    def on_epoch_end(self, epoch, logs=None):
        done = int(self.model.optimizer.iterations.numpy())
        line = f"{self.row.name}: {done}/{self.row.meta_steps} meta-steps"
        figures = ", ".join(f"{k} {v:.4f}" for k, v in (logs or {}).items())
        left = (self.row.meta_steps - done) * (time.monotonic() - self.began)
        left /= max(done - self.start, 1) * 60
        print(f"\r{line}, {figures}, {left:.0f} min left   ", end="", flush=True)
        if time.monotonic() - self.saved > 60 or done >= self.row.meta_steps:
            # The clock first: a kill in between only counts a minute twice.
            write_aside(
                self.clock, lambda path: path.write_text(json.dumps(self.seconds))
            )
            write_aside(self.path, self.model.save)
            self.saved = time.monotonic()
