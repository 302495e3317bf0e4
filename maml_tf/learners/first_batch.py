"""The first batch of any data, looked at without taking it away from training."""

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf


def first_batch(data: Any) -> tuple[Any, Any]:
    """The first batch of what Keras trains on, and data that still begin with it.

    Args:
        data: a `tf.data.Dataset`, a `keras.utils.PyDataset`, or anything that can be
            iterated over, such as a generator.

    Returns:
        The batch, None of empty data, and the data to go on with.

    Example:

    >>> numbers = (n for n in range(3))
    >>> first, numbers = first_batch(numbers)
    >>> first, list(numbers)
    (0, [0, 1, 2])
    """
    if isinstance(data, tf.data.Dataset):
        return _of_dataset(data)
    if isinstance(data, keras.utils.PyDataset):
        return data[0], data
    if isinstance(data, tf.distribute.DistributedDataset):
        return None, data
    iterator = iter(data)
    first = next(iterator, None)
    if iterator is not data:
        return first, data
    return first, data if first is None else _begun(first, iterator)


def _begun(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _of_dataset(data: tf.data.Dataset) -> tuple[Any, tf.data.Dataset]:
    iterator = iter(data)
    first = next(iterator, None)
    if first is None or not _changes_when_read(data):
        return first, data
    # A second reading would skip this batch, or draw others: the first goes on.
    begun = iterator

    def again() -> Iterator[Any]:
        nonlocal begun
        if begun is None:
            yield from data
        else:
            going_on, begun = begun, None
            yield from _begun(first, going_on)

    whole = tf.data.Dataset.from_generator(again, output_signature=data.element_spec)
    size = data.cardinality()
    if size != tf.data.UNKNOWN_CARDINALITY:
        whole = whole.apply(tf.data.experimental.assert_cardinality(size))
    return first, whole.with_options(data.options())


def _changes_when_read(data: tf.data.Dataset) -> bool:
    """Whether Python or chance has a part in the dataset, which reading moves on."""
    if "Shuffle" in type(data).__name__:
        return True
    stateful = any(
        operation.op_def.is_stateful
        for function in data._functions()
        for operation in function.function.graph.get_operations()
    )
    return stateful or any(map(_changes_when_read, data._inputs()))
