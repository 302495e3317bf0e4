"""Trainings that are read back as long as nothing has changed that they depend on."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from maml_tf.base_learners.split_encoder import (
    UpperEncoder,
    embed_states,
)
from maml_tf.base_learners.whitening import WithinClassWhitening
from training.common.best_share import go_to_share, weights_of
from training.common.digests import arrays_digest
from training.common.rotation import (
    RotatingEpisodes,
    train_rotating,
)
from training.common.rotation_settings import LAYERS, RotationSettings
from training.common.run import Run, weights_digest
from training.common.share_by_classes import first_of_each, keep_best_for_classes
from training.research.intents.kept_vectors import KeptStates

PROJECTION = RotationSettings()
TRAINED_TOKENS = 16
ENCODER = LAYERS


@dataclass(frozen=True)
class Projection:
    """A projection that was trained.

    Attributes:
        layer: from vectors to vectors of length 1.
        share: how far it went from the closed form to the trained weights.
        seconds: of training.
    """

    layer: WithinClassWhitening
    share: float = 0.0
    seconds: float = 0.0

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        return np.asarray(self.layer(vectors))


def train_projection(
    vectors: np.ndarray,
    labels: np.ndarray,
    validation: tuple[np.ndarray, np.ndarray],
    *,
    work_dir: Path,
    name: str,
    shots: tuple[int, ...],
    ways: int = 5,
    queries: int = 5,
    settings: RotationSettings = PROJECTION,
) -> Projection:
    """What every table calls a projection: whitened, trained, its share chosen.

    Args:
        vectors: `[texts, dim]` of training classes.
        labels: the class of each.
        validation: vectors of validation classes, and the class of each.
        work_dir, name: where the training is kept; see `train_kept`.
        shots, ways, queries: of the validation episodes that choose the share.
        settings: of the training; its seed also fixes the validation episodes.
    """
    rows = first_of_each(np.arange(len(labels)), labels)
    layer = whiten(vectors[rows], labels[rows]).layer
    start = weights_of(layer)
    seconds = train_kept(
        keras.Sequential([keras.Input(vectors.shape[1:]), layer]),
        vectors[rows],
        labels[rows],
        settings,
        work_dir=work_dir,
        name=name,
    )
    validated, validation_labels = validation
    share = keep_best_for_classes(
        layer,
        start,
        lambda: np.asarray(layer(validated)),
        validation_labels,
        ways=ways,
        shots=shots,
        queries=queries,
        seed=settings.seed,
    )
    print(f"  {100 * share:.0f} % of the way trained, by validation", flush=True)
    return Projection(layer, share, seconds)


@dataclass(frozen=True)
class ShareSettings:
    """The validation episodes by which it is chosen how far a training goes."""

    shots: tuple[int, ...]
    ways: int
    queries: int
    seed: int


def train_encoder(
    upper: UpperEncoder,
    lower: KeptStates,
    labels: np.ndarray,
    training: np.ndarray,
    validation: np.ndarray,
    *,
    work_dir: Path,
    name: str,
    shots: tuple[int, ...],
    ways: int = 5,
    queries: int = 5,
    settings: RotationSettings = ENCODER,
) -> float:
    """Trains layers of an encoder in place; how far they go validation chooses.

    Args:
        upper: the trained layers.
        lower: what the layers below make of every text.
        labels: the class of every text.
        training, validation: numbers of texts, of training and of validation classes.
        work_dir, name: where the training and the share are kept; see `train_kept`.
        shots, ways, queries: of the validation episodes that choose the share.
        settings: of the training; its seed also fixes the validation episodes.

    Returns:
        Seconds of training.
    """
    start, start_digest = weights_of(upper), weights_digest(upper)
    seconds = train_kept(
        upper,
        lower.states.batch(training, TRAINED_TOKENS),
        labels[training],
        settings,
        work_dir=work_dir,
        name=name,
        jit_compile=False,  # XLA folds constants of these layers for many minutes
    )
    rows = first_of_each(validation, labels[validation])
    content = {
        "start": start_digest,
        "trained": weights_digest(upper),
        "states": lower.digest,
        "rows": arrays_digest(rows),
        "labels": arrays_digest(labels[rows]),
    }
    chosen_by = ShareSettings(shots, ways, queries, settings.seed)
    end = weights_of(upper)
    with Run.within(work_dir, f"{name}-share", chosen_by, content) as run:
        share = run.value(
            "share",
            lambda: keep_best_for_classes(
                upper,
                start,
                lambda: embed_states(upper, lower.states, rows),
                labels[rows],
                **asdict(chosen_by),
            ),
        )
    go_to_share(upper, start, end, share)
    print(f"  {100 * share:.0f} % of the way trained, by validation", flush=True)
    return seconds


def whiten(vectors: np.ndarray, labels: np.ndarray) -> Projection:
    """The closed form that a projection starts from."""
    layer = WithinClassWhitening()
    layer.adapt(vectors, labels)
    return Projection(layer)


def train_kept(
    base_learner: keras.Model,
    inputs: Any,
    labels: np.ndarray,
    settings: RotationSettings,
    *,
    work_dir: Path,
    name: str,
    groups: np.ndarray | None = None,
    templates: np.ndarray | None = None,
    jit_compile: bool = True,
) -> float:
    """Trains `base_learner` in place on rotating episodes, or goes on after a kill.

    A finished training is read back. As soon as weights to start from, inputs, labels,
    groups, templates or settings are others, it is another training.

    Args:
        base_learner: from inputs to vectors.
        inputs: a nest of arrays `[examples, ...]`.
        labels: the class of each example.
        settings: see there.
        work_dir: holds a folder for each training.
        name: begins the folder's name.
        groups, templates: see `RotatingEpisodes`.
        jit_compile: see `train_rotating`.

    Returns:
        Seconds of training, those before a kill included.
    """
    content = {
        "start": weights_digest(base_learner),
        "inputs": arrays_digest(inputs),
        "labels": arrays_digest(labels),
    }
    for kind, column in (("groups", groups), ("templates", templates)):
        if column is not None:
            content[kind] = arrays_digest(column)
    episodes = RotatingEpisodes(
        lambda rows: keras.tree.map_structure(lambda a: a[rows], inputs),
        labels,
        settings,
        groups=groups,
        templates=templates,
    )
    with Run.within(work_dir, name, settings, content) as run:
        return train_rotating(
            run, base_learner, episodes, settings, jit_compile=jit_compile
        )
