"""What is said where one of several workers has ended before the others."""

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from .run import RunError


@contextmanager
def told_of_lost_workers() -> Iterator[None]:
    """Ends a step that waits for another worker in vain with a sentence.

    Raises:
        RunError: where TensorFlow says that a worker cannot be reached.
    """
    try:
        yield
    except tf.errors.OpError as error:
        strategy = tf.distribute.get_strategy()
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            raise
        raise RunError(
            "Another worker of this job has ended, or cannot be reached; start all of "
            "them again, and they go on from the last checkpoint."
        ) from error
