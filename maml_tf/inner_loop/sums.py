"""Sums of gradients that the graph optimiser leaves alone.

Where a tensor is used more than once, a tape adds its gradients up with `AddN`. In a
graph whose peak memory TensorFlow estimates above 200 MB, its memory optimiser turns an
`AddN` of three or more into additions to a temporary variable, and inside a
`tf.while_loop` that variable collides with itself ("AlreadyExistsError … tmp_var").
Sums of two are left alone, but its arithmetic optimiser makes one `AddN` of a chain of
them, unless something stands between them: `tf.ensure_shape`, which costs nothing.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

# None of these has a public name; the tests of the sums guard the imports.
from tensorflow.python import pywrap_tfe
from tensorflow.python.eager import backprop

_active = threading.local()


def sum_in_pairs(tensors: list[tf.Tensor]) -> tf.Tensor:
    """The sum of tensors of one shape, in pairs.

    Example:

    >>> sum_in_pairs([tf.constant(1.0), tf.constant(2.0), tf.constant(3.0)]).numpy()
    np.float32(6.0)
    """
    total = tensors[0]
    for tensor in tensors[1:]:
        pair = tf.raw_ops.AddN(inputs=[total, tensor])
        total = tf.ensure_shape(pair, pair.shape)
    return total


@contextlib.contextmanager
def sums_in_pairs() -> Iterator[None]:
    """Lets every gradient that is taken inside be summed by `sum_in_pairs`."""
    before = getattr(_active, "value", False)
    _active.value = True
    try:
        yield
    finally:
        _active.value = before


def _aggregate(gradients: list[Any]) -> Any:
    if getattr(_active, "value", False) and all(
        isinstance(g, tf.Tensor) for g in gradients
    ):
        return sum_in_pairs(gradients)
    return backprop._aggregate_grads(gradients)


def _register() -> None:
    """Puts `_aggregate` in the place of what tapes add up with, once a process."""
    space = backprop._default_vspace._replace(aggregate_fn=_aggregate)
    pywrap_tfe.TFE_Py_RegisterVSpace(space)


_register()
