"""A running average of the weights beside the training, where there is one."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np

from maml_tf import MetaLearner


@contextmanager
def averaged_weights(learner: MetaLearner) -> Iterator[None]:
    """The running average in the place of the weights, where the optimizer keeps one.

    An optimizer with `use_ema=True` does. The average often generalises better than the
    weights of any step (arXiv 1803.05407), and the training itself goes on without it.
    """
    if not _keeps_average(learner):
        yield
        return
    current = _trainable_arrays(learner)
    learner.optimizer.finalize_variable_values(learner.trainable_variables)
    try:
        yield
    finally:
        _assign_trainable(learner, current)


@contextmanager
def weights_as_trained(learner: MetaLearner) -> Iterator[keras.callbacks.Callback]:
    """Undoes that `fit` ends by putting the running average in the weights' place."""
    kept: list[np.ndarray] = []

    def keep_last(epoch: int, logs: object) -> None:
        kept[:] = _trainable_arrays(learner)

    keep = keras.callbacks.LambdaCallback(on_epoch_end=keep_last)
    if not _keeps_average(learner):
        yield keras.callbacks.Callback()
        return
    yield keep
    _assign_trainable(learner, kept)


def _keeps_average(learner: MetaLearner) -> bool:
    return bool(getattr(learner.optimizer, "use_ema", False))


def _trainable_arrays(learner: MetaLearner) -> list[np.ndarray]:
    return [np.array(variable) for variable in learner.trainable_variables]


def _assign_trainable(learner: MetaLearner, arrays: list[np.ndarray]) -> None:
    for variable, array in zip(learner.trainable_variables, arrays, strict=True):
        variable.assign(array)
