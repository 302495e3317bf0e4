"""Meta-training of the upper layers, resumable at every checkpoint."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np

from maml_tf.base_learners.split_encoder import TokenStates, UpperEncoder
from maml_tf.episodes import EpisodeSampler
from maml_tf.learners.rotating_prototypical import RotatingPrototypicalNetwork
from training.files import write_aside


@dataclass(frozen=True)
class MetaTrainingSettings:
    """What was chosen on the validation classes of two folds; see docs/intents.md.

    Attributes:
        steps: meta-steps.
        ways: classes in a training episode, at most; fewer where the fold has fewer.
        examples_per_class: examples of each, every one the support in turn.
        learning_rate: peak of the cosine schedule, after a tenth of the steps.
        scale: starting factor on minus the squared distance.
        tokens: training texts are cropped here; test texts never are.
        first_layer: the first transformer layer that is trained.
        checkpoint_every: steps between two checkpoints.
        seed: fixes episodes and dropout.
    """

    steps: int = 150
    ways: int = 16
    examples_per_class: int = 4
    learning_rate: float = 5e-5
    scale: float = 10.0
    tokens: int = 16
    first_layer: int = 3
    checkpoint_every: int = 25
    seed: int = 0


def meta_train(
    upper: UpperEncoder,
    states: TokenStates,
    rows: np.ndarray,
    labels: np.ndarray,
    settings: MetaTrainingSettings,
    checkpoint: Path,
) -> tuple[RotatingPrototypicalNetwork, float]:
    """Trains `upper` in place on the given texts, going on from `checkpoint`.

    Args:
        upper: the encoder, with its pretrained weights.
        states: the lower layers' output for all texts.
        rows: the training texts.
        labels: the class of each of `rows`.
        settings: see there.
        checkpoint: a file, written every few steps and removed by nobody; it is
            ignored unless it was made under the same settings and on the same rows.

    Returns:
        The learner and the seconds of training, those before a kill included.
    """
    numbers = np.unique(labels, return_inverse=True)[1]
    ways = min(settings.ways, int(numbers.max()) + 1)
    sampler = EpisodeSampler(
        numbers,
        ways=ways,
        shots=1,
        queries=settings.examples_per_class - 1,
        seed=settings.seed,
        drop_small_classes=True,
    )
    learner = _make_learner(upper, ways, settings)
    described = repr((asdict(settings), len(rows), int(np.sum(rows))))
    done, seconds = _restore(learner, checkpoint, described)
    bar = keras.utils.Progbar(settings.steps, unit_name="step")
    for step in range(done, settings.steps):
        start = time.perf_counter()
        drawn = sampler.sample(step)
        inputs = [
            {k: v[np.newaxis] for k, v in states.batch(rows[r], settings.tokens).items()}
            for r in (drawn.support[0], drawn.query[0])
        ]
        x = {
            "support_inputs": inputs[0],
            "support_targets": drawn.support_labels,
            "query_inputs": inputs[1],
        }
        logs = learner.train_on_batch(x, drawn.query_labels, return_dict=True)
        seconds += time.perf_counter() - start
        bar.update(step + 1, [(k, float(v)) for k, v in logs.items()])
        if (step + 1) % settings.checkpoint_every == 0 or step + 1 == settings.steps:
            _save(learner, checkpoint, described, step + 1, seconds)
    return learner, seconds


def _make_learner(upper, ways: int, settings: MetaTrainingSettings):
    keras.utils.set_random_seed(settings.seed)
    learner = RotatingPrototypicalNetwork(
        upper,
        examples_per_class=settings.examples_per_class,
        scale=settings.scale,
        max_ways=ways,
    )
    warmup = settings.steps // 10
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0,
        max(1, settings.steps - warmup),
        warmup_target=settings.learning_rate,
        warmup_steps=max(1, warmup),
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=0.01)
    optimizer.exclude_from_weight_decay(
        var_names=["bias", "gamma", "beta", "log_scale"]
    )
    learner.compile(optimizer, jit_compile=True)
    learner.optimizer.build(learner.trainable_variables)
    return learner


def _state(learner) -> list[keras.Variable]:
    return [*learner.trainable_variables, *learner.optimizer.variables]


def _save(learner, path: Path, described: str, step: int, seconds: float) -> None:
    arrays = {f"v{i}": v.numpy() for i, v in enumerate(_state(learner))}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_aside(
        path,
        lambda p: np.savez(
            p, described=described, step=step, seconds=seconds, **arrays
        ),
    )


def _restore(learner, path: Path, described: str) -> tuple[int, float]:
    if not path.is_file():
        return 0, 0.0
    with np.load(path) as held:
        if str(held["described"]) != described:
            return 0, 0.0
        for i, variable in enumerate(_state(learner)):
            variable.assign(held[f"v{i}"])
        return int(held["step"]), float(held["seconds"])
