"""What `training.pretrain` can be told of its training; loads no TensorFlow."""

from dataclasses import dataclass

from .run import beside_identity


@dataclass(frozen=True)
class JointTrainingSettings:
    """What was chosen by one corpus' classes on another; see docs/pretraining.md.

    Attributes:
        steps: meta-steps at most.
        patience: validations without a better one after which training ends.
        validate_every: steps between two of them.
        validation_episodes: of each corpus and number of shots.
        ways: classes in a task, at most.
        examples: of each class, every one of them in turn the support.
        learning_rate: peak of the cosine schedule, after a tenth of the steps.
        scale: starting factor on minus the squared distance.
        mixed_share: how many tasks take classes from all corpora.
        confusable_share: how many of the others take classes that lie close together.
        name_share: how many classes of a task have their name among the examples.
        averaging: decay of the running average of the weights, which is what is
            validated; 0 for the last weights themselves.
        seed: fixes the tasks.
    """

    steps: int = 80
    patience: int = beside_identity(4)
    validate_every: int = 20
    validation_episodes: int = 300
    ways: int = 24
    examples: int = 4
    learning_rate: float = 4e-5
    scale: float = 10.0
    mixed_share: float = 0.25
    confusable_share: float = 0.75
    name_share: float = 0.0
    averaging: float = 0.9
    seed: int = 0


@dataclass(frozen=True)
class PretrainSettings(JointTrainingSettings):
    """The same, and what the encoder and the held-out classes are.

    Attributes:
        base_learner: the encoder's preset.
        first_layer: the lowest transformer layer that is trained.
        sequence_length: the longest text in tokens.
        validation_share: how many classes of each corpus are held out.
        dtype_policy: what layers compute in.
    """

    base_learner: str = ""
    first_layer: int = 0
    sequence_length: int = 64
    validation_share: float = 0.1
    dtype_policy: str = "float32"
