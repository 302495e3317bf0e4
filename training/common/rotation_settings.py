"""What rotating episodes are trained with; loads no TensorFlow."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RotationSettings:
    """What was chosen on the validation classes of a few folds; see docs/intents.md.

    Attributes:
        steps: meta-steps.
        ways: classes in a training episode, at most; fewer where the corpus, or the
            smallest group, has fewer that are large enough.
        examples_per_class: examples of each, every one the support in turn.
        learning_rate: peak of the cosine schedule, after a tenth of the steps.
        scale: starting factor on minus the squared distance.
        seed: fixes the episodes.
    """

    steps: int = 200
    ways: int = 50
    examples_per_class: int = 4
    learning_rate: float = 3e-4
    scale: float = 10.0
    seed: int = 0


# For layers of an encoder; the defaults are for a projection.
LAYERS = RotationSettings(steps=100, ways=16, learning_rate=1e-4)
