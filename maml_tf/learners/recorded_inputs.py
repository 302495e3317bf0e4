"""What a layer is given while a model runs, whatever kind of model it is part of."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras

_ONE_AT_A_TIME = threading.RLock()


@contextlib.contextmanager
def recorded_inputs(layer: keras.layers.Layer) -> Iterator[list[Any]]:
    """Collects the first argument of every call of a layer made inside the block.

    Example:

    >>> head = keras.layers.Dense(1)
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Rescaling(2.0), head])
    >>> with recorded_inputs(head) as seen:
    ...     _ = model(keras.ops.ones((1, 2)))
    >>> seen[0].numpy().tolist()
    [[2.0, 2.0]]
    """
    seen: list[Any] = []
    call = layer.call

    def recording(inputs: Any, *arguments: Any, **keywords: Any) -> Any:
        seen.append(inputs)
        return call(inputs, *arguments, **keywords)

    with _ONE_AT_A_TIME:
        # Past Keras' own, which looks for variables in whatever a layer is given.
        object.__setattr__(layer, "call", recording)
        try:
            yield seen
        finally:
            object.__delattr__(layer, "call")
