"""Meta-training that validates, keeps checkpoints, stops early and goes on when killed.

The one loop of every script: any learner, any dataset of episodes that can begin at a
step's number, any validation.
"""

import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext

import keras
import tensorflow as tf

from maml_tf import MetaLearner

from .averaging import averaged_weights, weights_as_trained
from .checkpoint import Checkpoint, Progress
from .files import write_aside
from .finished import METRICS
from .lost_workers import told_of_lost_workers
from .parts import Parts, ProgressLine
from .run import Run, RunError
from .termination import STATUS, request_to_end

SECONDS_BETWEEN_CHECKPOINTS = 60.0


def meta_train(
    run: Run,
    learner: MetaLearner,
    batches: Callable[[int], tf.data.Dataset],
    *,
    steps: int,
    validate: Callable[[MetaLearner], Mapping[str, float]] | None = None,
    monitor: str = "validation_accuracy",
    validate_every: int = 50,
    patience: int | None = None,
    judge_start: bool = False,
    prefer_later: bool = False,
    part: int | None = None,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
) -> Progress:
    """Trains a learner in place, or goes on from the run's checkpoint.

    However often it is killed, the result is that of the uninterrupted run to the last
    bit. The rows of the validations are written to the run's metrics.jsonl.

    Args:
        run: keeps the checkpoint.
        learner: compiled, with its initial weights, which have to be the same at every
            call. Where its optimizer keeps a running average of the weights
            (`use_ema=True`), that is what is validated and kept as the best.
        batches: from the number of the first meta-step to endless batches of tasks.
        steps: meta-steps in all.
        validate: what is measured every `validate_every` steps and after the last;
            None measures nothing.
        monitor: the measured value that is best when largest.
        validate_every: meta-steps between validations.
        patience: training ends after so many validations in a row that were no better
            than the best; None trains to the end.
        judge_start: whether to validate before the first step, too, so that the initial
            weights can be the best.
        prefer_later: whether of equally good validations the last is the best one.
        part: steps between two looks at the clock, which decides on checkpoints beside
            those after validations; a multiple of the learner's `steps_per_execution`.
        callbacks: for `fit`, whose epoch is the number of steps done.

    Returns:
        How it went. With `validate` the learner then has the weights of `best_step`,
        and without it those of the last.

    Raises:
        RunError: if no checkpoint of those in the folder can be used, or loss or
            validation is no number.
        SystemExit: if SIGTERM came. A checkpoint of the last whole part is kept.
        TrainingDivergedError: from the learner. Checkpoints before it stay.
    """
    if not learner.built:
        learner.build_from_episode(next(iter(batches(0)))[0])
    learner.optimizer.build(learner.trainable_variables)
    checkpoint = Checkpoint(run, learner)
    progress = checkpoint.restore()
    if progress.step:
        print(f"Going on after step {progress.step} of an earlier part of this run.")
        _write_rows(run, progress)
    if validate and judge_start and not progress.rows:
        _validate(learner, validate, monitor, progress, checkpoint)
        checkpoint.save(progress)
        _write_rows(run, progress)
    part = part or min(validate_every, 50)
    every = validate_every if validate else None
    saved = time.monotonic()

    def stop(loss: float, count: int) -> bool:
        """Notes a part and keeps what is due; whether training ends with it."""
        nonlocal saved
        progress.step += count
        _refuse_unless_finite("loss", loss, progress.step)
        progress.losses.append([loss, count])
        ends = progress.step >= steps
        validates = validate and (ends or progress.step % validate_every == 0)
        if validate and validates:
            _validate(learner, validate, monitor, progress, checkpoint, prefer_later)
        asked = asked_to_end()
        late = time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS
        if validates or ends or asked or late:
            checkpoint.save(progress)
            saved = time.monotonic()
        if validates:
            _write_rows(run, progress)
        return ends or asked or out_of_patience(progress, patience)

    with request_to_end() as asked_to_end:
        while progress.step < steps and not out_of_patience(progress, patience):
            count, times = _parts_to_come(progress.step, steps, part, every)
            _fit(
                learner,
                batches(progress.step),
                count,
                times,
                Parts(progress, count, stop, (ProgressLine(steps), *callbacks)),
            )
            if asked_to_end() and progress.step < steps:
                print(
                    f"Asked to end: stopped after step {progress.step}. The same "
                    "command goes on from there.",
                    flush=True,
                )
                sys.exit(STATUS)
    if progress.step < steps:
        print(
            f"Stopped after step {progress.step}: the last {patience} validations were "
            f"no better than step {progress.best_step}'s.",
            flush=True,
        )
    checkpoint.take_best()
    return progress


def _fit(
    learner: MetaLearner,
    batches: tf.data.Dataset,
    count: int,
    times: int,
    parts: Parts,
) -> None:
    """Trains on so many batches, so many times, unless it is told to stop earlier.

    In one call: each has to look at its data anew, and to trace their pipeline.
    """
    with weights_as_trained(learner) as keep_them, told_of_lost_workers():
        learner.fit(
            batches,
            steps_per_epoch=count,
            epochs=times,
            callbacks=[parts, keep_them],
            verbose=0,
        )


def out_of_patience(progress: Progress, patience: int | None) -> bool:
    """Whether the last validations, `patience` of them, brought nothing better.

    Example:

    >>> rows = [{"step": step} for step in (50, 100, 150)]
    >>> out_of_patience(Progress(150, rows=rows, best_step=50), 2)
    True
    >>> out_of_patience(Progress(150, rows=rows, best_step=100), 2)
    False
    """
    if patience is None or progress.best_step is None:
        return False
    since = sum(row["step"] > progress.best_step for row in progress.rows)
    return since >= patience


def _parts_to_come(
    step: int, steps: int, part: int, every: int | None
) -> tuple[int, int]:
    """How long the next part is, and how many of that length follow each other.

    Parts end at multiples of `part` and of `every`, and at the end: wherever a run was
    killed these are the same, and with them every mean.

    >>> _parts_to_come(0, 1000, 50, 200)
    (50, 20)
    >>> _parts_to_come(100, 1000, 50, 120)
    (20, 1)
    >>> _parts_to_come(950, 980, 50, None)
    (30, 1)
    """

    def to_next_stop(step: int) -> int:
        stops = [steps, (step // part + 1) * part]
        if every:
            stops.append((step // every + 1) * every)
        return min(stops) - step

    count, times = to_next_stop(step), 1
    while step + times * count < steps and to_next_stop(step + times * count) == count:
        times += 1
    return count, times


def _validate(
    learner: MetaLearner,
    validate: Callable[[MetaLearner], Mapping[str, float]],
    monitor: str,
    progress: Progress,
    checkpoint: Checkpoint,
    prefer_later: bool = False,
) -> None:
    best = max((row[monitor] for row in progress.rows), default=-math.inf)
    # There is no average yet of weights that no step has changed.
    judged = averaged_weights(learner) if progress.step else nullcontext()
    with judged:
        measured = {name: float(value) for name, value in validate(learner).items()}
        for name, value in measured.items():
            _refuse_unless_finite(name, value, progress.step)
        if measured[monitor] > best or (prefer_later and measured[monitor] == best):
            progress.best_step = progress.step
            checkpoint.keep_best()
    if progress.losses:
        total = sum(count for _, count in progress.losses)
        loss = sum(loss * count for loss, count in progress.losses) / total
        measured = {"loss": loss, **measured}
    progress.rows.append({"step": progress.step, **measured})
    progress.losses = []
    told = ", ".join(f"{name} {value:.4f}" for name, value in measured.items())
    print(f"step {progress.step}: {told}", flush=True)


def _refuse_unless_finite(name: str, value: float, step: int) -> None:
    if not math.isfinite(value):
        raise RunError(
            f"The {name} is {value} after step {step}: training has diverged; lower "
            "the learning rates, inner or outer, or look for broken examples."
        )


def _write_rows(run: Run, progress: Progress) -> None:
    text = "".join(json.dumps(row) + "\n" for row in progress.rows)
    write_aside(run.folder / METRICS, lambda path: path.write_text(text))
