"""On which devices of this machine a meta-step runs: TensorFlow's own strategies."""

import contextlib
import re

from absl import app, flags

_FORM = re.compile(r"none|mirrored(:(\d+))?")

flags.DEFINE_string(
    "strategy",
    "none",
    "none: one device | mirrored: the tasks of a meta-step shared among all GPUs of "
    "this machine | mirrored:2, and so on: among parts of its CPU, to try it.",
)
FLAGS = flags.FLAGS


def check_strategy(tasks_per_batch: int) -> None:
    """Refuses what cannot be, before TensorFlow is loaded.

    Raises:
        UsageError: for an unknown strategy, or tasks that cannot be shared evenly.
    """
    match = _FORM.fullmatch(FLAGS.strategy)
    if match is None or match[2] in ("0", "1"):
        raise app.UsageError(
            f"--strategy={FLAGS.strategy} is not known; give none, mirrored, or "
            "mirrored:N for N parts of the CPU, at least 2."
        )
    if match[2] is not None:
        _check_share(tasks_per_batch, int(match[2]))


def scope_of_strategy(tasks_per_batch: int) -> contextlib.AbstractContextManager:
    """The scope in which the learner is made, compiled and trained.

    It has to be asked for before TensorFlow has run anything: devices are fixed then.

    Raises:
        UsageError: if there are not several devices to share the tasks among.
    """
    if FLAGS.strategy == "none":
        return contextlib.nullcontext()
    import tensorflow as tf

    match = _FORM.fullmatch(FLAGS.strategy)
    assert match is not None
    if match[2] is None:
        gpus = tf.config.list_physical_devices("GPU")
        if len(gpus) < 2:
            raise app.UsageError(
                f"--strategy=mirrored shares tasks among GPUs, and there are "
                f"{len(gpus)}; give --strategy=none, or mirrored:2 to try it on a CPU."
            )
        _check_share(tasks_per_batch, len(gpus))
        return tf.distribute.MirroredStrategy().scope()
    count = int(match[2])
    (cpu,) = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration()] * count
    tf.config.set_logical_device_configuration(cpu, parts)
    return tf.distribute.MirroredStrategy(
        [f"CPU:{place}" for place in range(count)],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    ).scope()


def _check_share(tasks_per_batch: int, devices: int) -> None:
    if tasks_per_batch % devices:
        raise app.UsageError(
            f"--tasks_per_batch={tasks_per_batch} cannot be shared evenly among "
            f"{devices} devices; give a multiple of {devices}."
        )
