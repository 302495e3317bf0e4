"""What `fit` tells while it trains part by part."""

import sys
import time
from collections.abc import Callable
from typing import Any

import keras

from .checkpoint import Progress


class Parts(keras.callbacks.Callback):
    """Takes an epoch of `fit` for a part of the training.

    Other callbacks are told of epochs by the number of steps done, which goes on over
    several calls of `fit` and after a kill.
    """

    def __init__(
        self,
        progress: Progress,
        count: int,
        stop: Callable[[float, int], bool],
        others: tuple[keras.callbacks.Callback, ...],
    ) -> None:
        super().__init__()
        self.progress, self.count, self.stop = progress, count, stop
        self.others = keras.callbacks.CallbackList(list(others))

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        self.others.set_model(model)

    def on_train_begin(self, logs: Any = None) -> None:
        self.others.on_train_begin(logs)
        self.began = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.others.on_epoch_begin(self.progress.step, logs)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.others.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.others.on_train_batch_end(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.progress.seconds += time.monotonic() - self.began
        self.others.on_epoch_end(self.progress.step + self.count - 1, logs)
        if self.stop(float(logs["loss"]), self.count):
            self.model.stop_training = True
        self.began = time.monotonic()

    def on_train_end(self, logs: Any = None) -> None:
        self.others.on_train_end(logs)


class ProgressLine(keras.callbacks.Callback):
    """Keeps one line on a terminal; a log file gets the validations alone."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.start, self.began = epoch, time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if not sys.stdout.isatty():
            return
        done = batch + 1
        each = (time.monotonic() - self.began) / done
        left = each * (self.steps - self.start - done)
        line = f"step {self.start + done} of {self.steps}, {left / 60:.0f} min to go"
        print(f"\r{line:78}", end="\r", flush=True)
