"""Which layer is the head: the last one that owns trainable weights."""

from collections.abc import Iterator

import keras

from maml_tf.base_learners.errors import BaseLearnerError


def head_of(base_learner: keras.layers.Layer) -> keras.layers.Layer:
    """Returns the layer that ANIL adapts (arXiv 1909.09157).

    A layer under the attribute `head` is taken at its word; otherwise it is the last
    layer, in the order of the model's own layers and then inwards, that owns
    trainable weights.

    Args:
        base_learner: A built model.

    Returns:
        A layer inside the model, or the model itself where it alone owns weights.

    Raises:
        BaseLearnerError: Nothing in the model is trainable.

    Example:

    >>> model = keras.Sequential([keras.Input([2]), keras.layers.Dense(3, name="a"),
    ...     keras.layers.Dense(1, name="b"), keras.layers.ReLU()])
    >>> head_of(model).name
    'b'
    """
    named = getattr(base_learner, "head", None)
    if isinstance(named, keras.layers.Layer) and named.trainable_variables:
        return named
    owners = list(_owners(base_learner))
    if not owners:
        raise BaseLearnerError(
            f"The model {base_learner.name!r} has no trainable weights, so no head; "
            "build it first if it has not been called yet."
        )
    return owners[-1]


def _owners(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Yields the layers that own trainable weights, outer ones before inner ones."""
    if layer.trainable and any(v.trainable for v in layer._trainable_variables):
        yield layer
    for inner in layer._layers:
        yield from _owners(inner)
