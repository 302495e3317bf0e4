"""Meta-training with every example in turn as the support, resumable."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from maml_tf.episodes import EpisodeSampler
from maml_tf.episodes.sampler import large_classes
from maml_tf.learners.rotating_prototypical import RotatingPrototypicalNetwork
from training.common.files import write_aside


@dataclass(frozen=True)
class MetaTrainingSettings:
    """What was chosen on the validation classes of a few folds; see docs/intents.md.

    Attributes:
        steps: meta-steps.
        ways: classes in a training episode, at most; fewer where the fold, or the
            smallest group, has fewer that are large enough.
        examples_per_class: examples of each, every one the support in turn.
        learning_rate: peak of the cosine schedule, after a tenth of the steps.
        scale: starting factor on minus the squared distance.
        checkpoint_every: steps between two checkpoints.
        seed: fixes the episodes.
    """

    steps: int = 200
    ways: int = 50
    examples_per_class: int = 4
    learning_rate: float = 3e-4
    scale: float = 10.0
    checkpoint_every: int = 25
    seed: int = 0


PROJECTION = MetaTrainingSettings()
ENCODER = MetaTrainingSettings(steps=100, ways=16, learning_rate=1e-4)


def meta_train(
    base_learner: keras.Model,
    inputs_of: Callable[[np.ndarray], Any],
    labels: np.ndarray,
    settings: MetaTrainingSettings,
    checkpoint: Path,
    *,
    groups: np.ndarray | None = None,
    templates: np.ndarray | None = None,
) -> float:
    """Trains `base_learner` in place, going on from `checkpoint` if there is one.

    Args:
        base_learner: from inputs to vectors.
        inputs_of: from example numbers to a nest of arrays `[examples, ...]`.
        labels: the class of each example.
        settings: see there.
        checkpoint: a file that is written every few steps; it is ignored unless it
            was made under the same settings and with the same labels.
        groups: of each example, or None; an episode's classes are then of one group.
        templates: near-duplicates share one; see `EpisodeSampler`.

    Returns:
        Seconds of training, those before a kill included.
    """
    numbers = np.unique(labels, return_inverse=True)[1]
    groups = np.zeros(len(numbers)) if groups is None else np.asarray(groups)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    shape = {"shots": 1, "queries": settings.examples_per_class - 1}
    drawn_from = [
        (numbers[rows], None if templates is None else templates[rows])
        for rows in members
    ]
    large = [large_classes(n, templates=t, **shape) for n, t in drawn_from]
    ways = min(settings.ways, *large)
    samplers = [
        EpisodeSampler(
            n,
            ways=ways,
            seed=settings.seed,
            templates=t,
            drop_small_classes=True,
            **shape,
        )
        for n, t in drawn_from
    ]
    learner = _make_learner(base_learner, ways, settings)
    described = repr((asdict(settings), numbers.tolist()))
    done, seconds = _restore(learner, checkpoint, described)
    if done == settings.steps:
        return seconds
    bar = keras.utils.Progbar(settings.steps, unit_name="step")
    for step in range(done, settings.steps):
        start = time.perf_counter()
        turn = step % len(members)
        drawn = samplers[turn].sample(step)
        support, query = (
            keras.tree.map_structure(
                lambda a: a[np.newaxis], inputs_of(members[turn][rows[0]])
            )
            for rows in (drawn.support, drawn.query)
        )
        x = {
            "support_inputs": support,
            "support_targets": drawn.support_labels,
            "query_inputs": query,
        }
        logs = learner.train_on_batch(x, drawn.query_labels, return_dict=True)
        seconds += time.perf_counter() - start
        bar.update(step + 1, [(k, float(v)) for k, v in logs.items()])
        if (step + 1) % settings.checkpoint_every == 0 or step + 1 == settings.steps:
            _save(learner, checkpoint, described, step + 1, seconds)
    return seconds


def _make_learner(base_learner, ways: int, settings: MetaTrainingSettings):
    keras.utils.set_random_seed(settings.seed)
    learner = RotatingPrototypicalNetwork(
        base_learner,
        examples_per_class=settings.examples_per_class,
        scale=settings.scale,
        max_ways=ways,
    )
    warmup = max(1, settings.steps // 10)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0,
        max(1, settings.steps - warmup),
        warmup_target=settings.learning_rate,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.Adam(schedule)
    learner.compile(optimizer, jit_compile=True)
    learner.optimizer.build(learner.trainable_variables)
    return learner


def _state(learner) -> list[keras.Variable]:
    return [*learner.trainable_variables, *learner.optimizer.variables]


def _save(learner, path: Path, described: str, step: int, seconds: float) -> None:
    arrays = {f"v{i}": v.numpy() for i, v in enumerate(_state(learner))}
    facts = {"described": described, "step": step, "seconds": seconds}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_aside(path, lambda p: np.savez(p, **facts, **arrays))


def _restore(learner, path: Path, described: str) -> tuple[int, float]:
    if not path.is_file():
        return 0, 0.0
    with np.load(path) as held:
        state = _state(learner)
        shapes = [held[name].shape for name in held.files if name.startswith("v")]
        if str(held["described"]) != described or shapes != [v.shape for v in state]:
            return 0, 0.0
        for i, variable in enumerate(state):
            variable.assign(held[f"v{i}"])
        return int(held["step"]), float(held["seconds"])
