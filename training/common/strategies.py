"""On which devices and machines a meta-step runs: TensorFlow's own strategies."""

import atexit
import contextlib
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

from absl import app, flags

from .finished import INITIAL, NEWEST, PREVIOUS
from .run import CONFIG

_FORM = re.compile(r"none|multi_worker|mirrored(:(\d+))?")

flags.DEFINE_string(
    "strategy",
    "none",
    "none: one device | mirrored: the tasks of a meta-step shared among all GPUs of "
    "this machine | mirrored:2, and so on: among parts of its CPU, to try it | "
    "multi_worker: among the processes that the variable TF_CONFIG names, on any "
    "number of machines that share --output_dir.",
)
FLAGS = flags.FLAGS


def check_strategy(tasks_per_batch: int | None) -> None:
    """Refuses what cannot be, before TensorFlow is loaded.

    Args:
        tasks_per_batch: None where they are as many as it needs.

    Raises:
        UsageError: for an unknown strategy, or tasks that cannot be shared evenly.
    """
    match = _FORM.fullmatch(FLAGS.strategy)
    if match is None or match[2] in ("0", "1"):
        raise app.UsageError(
            f"--strategy={FLAGS.strategy} is not known; give none, mirrored, "
            "mirrored:N for N parts of the CPU, at least 2, or multi_worker."
        )
    if match[2] is not None:
        _check_share(tasks_per_batch, int(match[2]))
    if FLAGS.strategy == "multi_worker":
        _check_share(tasks_per_batch, _workers()[0])


def folder_of_process(folder: str) -> str:
    """Where this process writes: the folder itself, unless it is not the first worker.

    Only the first of several workers writes there; each of the others goes on from a
    copy of what is there, in a folder that ends with the process.
    """
    if FLAGS.strategy != "multi_worker" or _workers()[1] == 0:
        return folder
    own = Path(tempfile.mkdtemp(prefix="maml_tf_worker_"))
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    for name in (CONFIG, NEWEST, PREVIOUS, INITIAL):
        there = Path(folder).expanduser() / name
        if there.is_file():
            shutil.copyfile(there, own / name)
    return str(own)


def scope_of_strategy(tasks_per_batch: int | None) -> contextlib.AbstractContextManager:
    """The scope of --strategy, in which the learner is made, compiled and trained."""
    return scope_of(FLAGS.strategy, tasks_per_batch)


def scope_of(
    strategy: str, tasks_per_batch: int | None
) -> contextlib.AbstractContextManager:
    """The scope of a strategy by its name.

    It has to be asked for before TensorFlow has run anything: devices are fixed then.

    Raises:
        UsageError: if there are not several devices to share the tasks among.
    """
    if strategy == "none":
        return contextlib.nullcontext()
    import tensorflow as tf

    if strategy == "multi_worker":
        return tf.distribute.MultiWorkerMirroredStrategy().scope()
    match = _FORM.fullmatch(strategy)
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


def _workers() -> tuple[int, int]:
    """How many workers there are, and which of them this process is."""
    try:
        config = json.loads(os.environ["TF_CONFIG"])
        count, index = len(config["cluster"]["worker"]), config["task"]["index"]
        fits = config["task"]["type"] == "worker" and 0 <= index < count
    except (KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        raise app.UsageError(
            "--strategy=multi_worker wants the variable TF_CONFIG of each process to "
            'say who it is, such as {"cluster": {"worker": ["host1:2222", '
            '"host2:2222"]}, "task": {"type": "worker", "index": 0}}.'
        )
    return count, index


def _check_share(tasks_per_batch: int | None, devices: int) -> None:
    if tasks_per_batch is not None and tasks_per_batch % devices:
        raise app.UsageError(
            f"{tasks_per_batch} tasks a batch cannot be shared evenly among {devices} "
            f"devices; give a --tasks_per_batch that is a multiple of {devices}."
        )
