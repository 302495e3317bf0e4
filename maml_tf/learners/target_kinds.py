"""What a loss wants of its targets: class numbers, one-hot rows or other numbers."""

from typing import Any, NamedTuple

import keras

# By the name of the loss' function or class, in lower case and without underscores.
_CLASSES = ("sparsecategorical",)
_ONE_HOT = ("categorical",)
_BINARY = ("binary",)
_NUMBERS = (
    "mean",
    "mse",
    "mae",
    "mape",
    "msle",
    "huber",
    "logcosh",
    "poisson",
    "cosinesimilarity",
    "kldivergence",
)


class TargetKind(NamedTuple):
    """What the targets of a loss have to look like.

    Attributes:
        name: "classes", "one_hot", "binary", "numbers", or "any" where the loss is a
            user's own and only the user knows.
        outputs: the shape of an example's prediction, or None where it is not known.
    """

    name: str
    outputs: tuple[int | None, ...] | None = None

    @property
    def classes(self) -> int | None:
        """How many classes there are, where that is known."""
        if self.name == "binary" and self.outputs and self.outputs[-1] == 1:
            return 2
        return self.outputs[-1] if self.outputs else None


def target_kind(loss: Any, outputs: tuple[int | None, ...] | None = None) -> TargetKind:
    """The kind of targets that a loss is for.

    Args:
        loss: what `compile` takes: a name, a Keras loss or a function; None stands for
            the cross-entropy of class numbers.
        outputs: the shape of an example's prediction.

    Example:

    >>> target_kind("mse", (1,))
    TargetKind(name='numbers', outputs=(1,))
    >>> target_kind(keras.losses.SparseCategoricalCrossentropy(), (5,)).classes
    5
    """
    if loss is None:
        return TargetKind("classes", outputs)
    known = isinstance(loss, str) or type(loss).__module__.startswith("keras.")
    known = known or getattr(loss, "__module__", "").startswith("keras.")
    if not known:
        return TargetKind("any", outputs)
    if isinstance(loss, keras.losses.Loss):
        name = type(loss).__name__
    else:
        name = loss if isinstance(loss, str) else loss.__name__
    name = name.lower().replace("_", "")
    for kind, beginnings in (
        ("classes", _CLASSES),
        ("one_hot", _ONE_HOT),
        ("binary", _BINARY),
        ("numbers", _NUMBERS),
    ):
        if name.startswith(beginnings):
            return TargetKind(kind, outputs)
    return TargetKind("any", outputs)
