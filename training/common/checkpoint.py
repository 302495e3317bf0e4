"""A run's one checkpoint: all that going on needs, and whose it is."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from maml_tf import MetaLearner

from .files import write_aside
from .finished import NEWEST, PREVIOUS
from .run import Run, RunError


@dataclass
class Progress:
    """How far a run is, beside its weights.

    Attributes:
        step: meta-steps done.
        seconds: spent on them, in all parts of the run.
        rows: one for each validation: its step, the loss since the one before, and
            what was measured.
        losses: means over the parts of the interval since the last validation, each
            with its number of steps.
        best_step: the step whose weights are best by validation; None before the first.
    """

    step: int = 0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    losses: list[list[float]] = field(default_factory=list)
    best_step: int | None = None


class Checkpoint:
    """Keeps a learner's state in a run's folder, the newest and the one before it.

    The file is in the safetensors format; its header says whose it is.

    Args:
        run: whose.
        learner: built and compiled; its weights and its optimizer's are kept.
    """

    def __init__(self, run: Run, learner: MetaLearner) -> None:
        self.run, self.learner = run, learner
        self.newest, self.previous = run.folder / NEWEST, run.folder / PREVIOUS
        self.best: list[np.ndarray] | None = None
        self._newest_is_good = False

    def save(self, progress: Progress) -> None:
        """Writes the state; a kill at any moment leaves a whole one."""
        arrays = {f"state/{i}": _array(v) for i, v in enumerate(self._state())}
        # The best weights are most often the current ones, which are there already.
        if self.best is not None and not all(
            np.array_equal(a, arrays[f"state/{i}"]) for i, a in enumerate(self.best)
        ):
            arrays |= {f"best/{i}": a for i, a in enumerate(self.best)}
        header = {
            "run": self.run.digest,
            "progress": json.dumps(asdict(progress), allow_nan=False),
        }

        def write(path: Path) -> None:
            try:
                save_file(arrays, path, header)
            except SafetensorError as error:
                # The format's own word for a full disk.
                raise OSError(f"{self.newest} cannot be written: {error}") from error
            # One that cannot be used must not take the place of the good one before it.
            if self._newest_is_good:
                self.newest.replace(self.previous)

        write_aside(self.newest, write)
        self._newest_is_good = True

    def restore(self) -> Progress:
        """Puts the newest state that can be used into the learner.

        Returns:
            How far it was; a new `Progress` where there is no checkpoint at all.

        Raises:
            RunError: if there are checkpoints, and none can be used.
        """
        refused = []
        for path in (self.newest, self.previous):
            if not path.is_file():
                continue
            try:
                progress = self._read(path)
            except RunError as error:
                refused.append(str(error))
                continue
            self._newest_is_good = path == self.newest
            if refused:
                print(f"{refused[0]} Going on from the one before it.", flush=True)
            return progress
        if refused:
            raise RunError(
                f"{' '.join(refused)} Delete what cannot be used to start again, or "
                "choose another folder."
            )
        return Progress()

    def keep_best(self) -> None:
        """Takes the learner's weights of now for the best ones."""
        self.best = [_array(v) for v in self._changing()]

    def take_best(self) -> None:
        """Puts the best weights into the learner."""
        if self.best is not None:
            _assign(self._changing(), self.best)

    def _state(self) -> list[keras.Variable]:
        return [*self._changing(), *self.learner.optimizer.variables]

    def _changing(self) -> list[keras.Variable]:
        """The learner's variables, but for a preset's that stay as they are."""
        frozen = getattr(self.learner.base_learner, "frozen_weights", ())
        fixed = {id(v) for v in frozen}
        return [v for v in self.learner.variables if id(v) not in fixed]

    def _read(self, path: Path) -> Progress:
        try:
            with safe_open(path, "numpy") as held:
                header = held.metadata() or {}
                names = held.keys()
                arrays = {name: held.get_tensor(name) for name in names}
        except Exception as error:
            raise RunError(
                f"{path} is no checkpoint of a run, or it is truncated "
                f"({type(error).__name__})."
            ) from error
        if header.get("run") != self.run.digest:
            raise RunError(f"{path} is the checkpoint of another run.")
        state = _numbered(arrays, "state")
        wanted = [tuple(v.shape) for v in self._state()]
        if [a.shape for a in state] != wanted:
            raise RunError(f"{path} holds weights of other shapes than the learner's.")
        progress = Progress(**json.loads(header["progress"]))
        _assign(self._state(), state)
        self.best = _numbered(arrays, "best") or None
        if self.best is None and progress.best_step is not None:
            self.keep_best()
        return progress


def _array(variable: Any) -> np.ndarray:
    # A copy of its own, in C's order, as the file format wants it.
    return np.array(keras.ops.convert_to_numpy(variable), order="C")


def _numbered(arrays: Mapping[str, np.ndarray], kind: str) -> list[np.ndarray]:
    count = sum(name.startswith(f"{kind}/") for name in arrays)
    return [arrays[f"{kind}/{i}"] for i in range(count)]


def _assign(variables: list[keras.Variable], arrays: list[np.ndarray]) -> None:
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
