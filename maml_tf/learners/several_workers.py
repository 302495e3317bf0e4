"""What Keras 3 wants of a step under `tf.distribute.MultiWorkerMirroredStrategy`."""

from typing import Any

import tensorflow as tf


def logs_over_workers(logs: dict[str, Any]) -> dict[str, Any]:
    """The logs of a step as Keras can average them over several workers.

    There, and nowhere else, it takes the mean over their first axis too, which a number
    does not have: it is given one, of size 1.

    Example:

    >>> logs_over_workers({"loss": 0.5})
    {'loss': 0.5}
    """
    strategy = tf.distribute.get_strategy()
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return logs
    return tf.nest.map_structure(lambda v: tf.convert_to_tensor(v)[tf.newaxis], logs)
