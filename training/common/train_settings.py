"""What a run of `training.train` was asked for, as its config.json keeps it."""

from dataclasses import dataclass, fields

from .learner_flags import PROJECTION, UPPER_LAYERS
from .rotation_settings import LAYERS, RotationSettings
from .run import beside_identity
from .settings import FLAGS, task_settings


@dataclass(frozen=True)
class TaskSettings:
    """Of every run: what it draws its tasks from, their shape, and the learner."""

    corpus: str
    text_column: str | None
    label_column: str | None
    class_split: str
    split_seed: int
    ways: int
    shots: int
    queries: int
    seed: int
    learner: str
    base_learner: str
    pretrained: str | None
    text_prefix: str
    sequence_length: int
    meta_learning_rate: float


@dataclass(frozen=True)
class TrainSettings(TaskSettings):
    """Of a run that trains on episodes; it may go on longer than it was asked to."""

    lora_rank: int | None
    inner_steps: int
    inner_learning_rate: float
    inner_batch_size: int | None
    meta_gradient: str
    update_rule: str
    fast_weights: str | None
    tasks_per_batch: int
    validate_every: int
    validation_episodes: int
    averaging: float
    jit_compile: bool
    dtype_policy: str
    steps: int = beside_identity(300)
    patience: int | None = beside_identity(None)
    strategy: str = beside_identity("none")


@dataclass(frozen=True)
class RotatingSettings(TaskSettings):
    """Of a run over what the encoder made once; its rate falls with steps' number."""

    steps: int


ROTATIONS = {PROJECTION: RotationSettings(), UPPER_LAYERS: LAYERS}


def settings_of_flags() -> TrainSettings | RotatingSettings:
    """What the flags say."""
    if FLAGS.learner in ROTATIONS:
        rotation = ROTATIONS[FLAGS.learner]
        chosen = {
            "steps": rotation.steps,
            "meta_learning_rate": rotation.learning_rate,
        }
        return RotatingSettings(
            **_values(RotatingSettings)
            | {n: value for n, value in chosen.items() if not FLAGS[n].present}
        )
    return TrainSettings(**_values(TrainSettings))


def _values(kind: type) -> dict:
    return {f.name: FLAGS[f.name].value for f in fields(kind)} | task_settings()
