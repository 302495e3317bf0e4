"""Few-shot regression: endless tasks that are functions of one number."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from maml_tf.episodes.dataset import prefetched
from maml_tf.episodes.sampler import SamplingError

RANGE = 5.0


def _sinusoid(x: tf.Tensor, unit: tf.Tensor) -> tf.Tensor:
    amplitude, phase = 0.1 + 4.9 * unit[0], math.pi * unit[1]
    return amplitude * tf.sin(x - phase)


def _line(x: tf.Tensor, unit: tf.Tensor) -> tf.Tensor:
    return (2 * unit[0] - 1) * x + 3 * (2 * unit[1] - 1)


def _quadratic(x: tf.Tensor, unit: tf.Tensor) -> tf.Tensor:
    curvature, middle = 0.05 + 0.2 * unit[0], 2 * (2 * unit[1] - 1)
    return 3 - curvature * tf.square(x - middle) + 2 * (2 * unit[2] - 1)


def _absolute_value(x: tf.Tensor, unit: tf.Tensor) -> tf.Tensor:
    slope, middle = 0.5 + unit[0], 2 * (2 * unit[1] - 1)
    return slope * tf.abs(x - middle) - 3 + 2 * (2 * unit[2] - 1)


# From inputs and three numbers in [0, 1) a task, each `[tasks, 1, 1]`, to targets.
KINDS: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "sinusoid": _sinusoid,
    "line": _line,
    "quadratic": _quadratic,
    "absolute_value": _absolute_value,
}


def regression_episodes(
    kinds: Sequence[str] = ("sinusoid",),
    *,
    shots: int = 10,
    queries: int = 10,
    tasks_per_batch: int = 25,
    seed: int = 0,
    steps: int | None = None,
    start_step: int = 0,
    name_kinds: bool = False,
) -> tf.data.Dataset:
    """Batches of tasks, each a function drawn at random, seen at `shots` places.

    Inputs are uniform in [-5, 5]. A sinusoid has an amplitude in [0.1, 5] and a phase
    in [0, pi], as in MAML's experiment (Finn et al. 2017, arXiv 1703.03400, section
    5.1). The other kinds are lines, opened-down parabolas and opened-up absolute
    values; a stream of several kinds is the setting of HSML (arXiv 1905.05301). A batch
    is a function of the seed and its number, so that training resumes exactly.

    Args:
        kinds: which of `KINDS`; each task is of one, drawn uniformly.
        shots: support examples of a task.
        queries: query examples of a task.
        tasks_per_batch: tasks in a batch.
        seed: fixes every draw.
        steps: batches in all; None for no end.
        start_step: number of the first batch.
        name_kinds: add the place of each task's kind in `kinds` as `x["kind"]`, int32
            `[tasks]`, for evaluations; learners do not look at it.

    Returns:
        A dataset of `(x, y)`: inputs and targets `[tasks, examples, 1]`, float32.

    Raises:
        SamplingError: for an unknown kind, none, or a number less than 1.

    Example:

    >>> x, y = next(iter(regression_episodes(shots=5, queries=7, tasks_per_batch=2)))
    >>> x["support_inputs"].shape, y.shape
    (TensorShape([2, 5, 1]), TensorShape([2, 7, 1]))
    """
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown or not kinds:
        raise SamplingError(f"kinds={kinds!r} must name some of {sorted(KINDS)}.")
    if min(shots, queries, tasks_per_batch) < 1:
        raise SamplingError(
            f"shots={shots}, queries={queries} and tasks_per_batch={tasks_per_batch} "
            "have to be at least 1."
        )

    def batch(number: tf.Tensor) -> Any:
        # A generator keyed by seed and number; its draws do not repeat in a batch.
        base = tf.stack([tf.cast(seed, tf.int64), number])
        seeds = tf.random.split(base, 3)
        inputs = tf.random.stateless_uniform(
            (tasks_per_batch, shots + queries, 1), seeds[0], -RANGE, RANGE
        )
        unit = tf.random.stateless_uniform((3, tasks_per_batch, 1, 1), seeds[1])
        kind = tf.random.stateless_uniform(
            (tasks_per_batch,), seeds[2], maxval=len(kinds), dtype=tf.int32
        )
        values = tf.stack([KINDS[name](inputs, unit) for name in kinds], axis=1)
        targets = tf.gather(values, kind, batch_dims=1)
        x = {
            "support_inputs": inputs[:, :shots],
            "support_targets": targets[:, :shots],
            "query_inputs": inputs[:, shots:],
        }
        if name_kinds:
            x["kind"] = kind
        return x, targets[:, shots:]

    last = tf.int64.max if steps is None else start_step + steps
    batches = tf.data.Dataset.range(start_step, last)
    batches = batches.map(batch, num_parallel_calls=1, deterministic=True)
    return prefetched(batches)
