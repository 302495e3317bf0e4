"""A task axis around what is asked of one task: rows read, mapped and filled up."""

from typing import Any

import tensorflow as tf

from maml_tf.serving.request_checks import Faults

Tensors = dict[str, tf.Tensor]


def until_empty(row: tf.Tensor) -> tf.Tensor:
    """The strings of a row before its first empty one.

    Example:

    >>> until_empty(tf.constant(["a", "b", "", "c"])).numpy().tolist()
    [b'a', b'b']
    """
    ends = tf.concat([tf.equal(row, ""), [True]], 0)
    return row[: tf.argmax(tf.cast(ends, tf.int32))]


def traced(function: Any, *signature: Any) -> Any:
    """A function as one graph; a tf.function would trace anew wherever it is called."""
    return tf.function(function, autograph=False).get_concrete_function(*signature)


def of_rank(rank: int, *tensors: Any) -> tuple[tf.Tensor, ...]:
    """The tensors, which have so many axes, or TensorFlow's error."""
    return tuple(tf.ensure_shape(tensor, [None] * rank) for tensor in tensors)


def until_empty_rows(rows: tf.Tensor) -> tf.Tensor:
    """The rows before the first that is empty, "" behind the first "" of each.

    Example:

    >>> until_empty_rows(tf.constant([["a", "", "b"], ["", "c", ""]])).numpy().tolist()
    [[b'a', b'', b'']]
    """
    there = tf.math.cumprod(tf.cast(rows != "", tf.int32), axis=1)
    used = tf.math.cumprod(tf.reduce_max(tf.pad(there, [[0, 0], [0, 1]]), axis=1))
    count = tf.reduce_sum(used)
    return tf.where(there[:count] > 0, rows[:count], "")


def as_many_tasks(most: int, *parts: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """The inputs of a request, which have one number of tasks, not 0 and not too many.

    Args:
        most: tasks that are worked on in one request.
        parts: `[tasks, ...]`.
    """
    counts = tf.stack([tf.shape(part)[0] for part in parts])
    faults = Faults()
    faults.add(
        tf.reduce_any(counts != counts[0]),
        "All inputs must have the same number of tasks on their first axis.",
    )
    faults.add(tf.equal(counts[0], 0), "The request holds no task.")
    faults.add(
        counts[0] > most,
        "The request holds ",
        counts[0],
        f" tasks; at most {most} are worked on at once.",
    )
    return faults.guard(parts)


def prefix_of(place: tf.Tensor) -> tf.Tensor:
    """What a fault of the task at a place begins with."""
    return tf.strings.join(["Task ", tf.strings.as_string(place), ": "])


def padded(answer: Tensors, queries: tf.Tensor, classes: tf.Tensor) -> Any:
    """One task's answer filled up to the sizes of its batch, and its class count."""
    names, found = answer["class_names"], answer["intents"]
    more = classes - tf.size(names)
    below = queries - tf.size(found)
    return (
        tf.pad(found, [[0, below]], constant_values=""),
        tf.pad(answer["probabilities"], [[0, below], [0, more]]),
        tf.pad(answer["in_scope"], [[0, below]]),
        tf.pad(answer["margins"], [[0, below]]),
        tf.pad(names, [[0, more]], constant_values=""),
        tf.size(names),
    )


def over_rows(task: Any, rows: tuple[tf.Tensor, ...]) -> Tensors:
    """Maps a task over rows one by one and cuts the class axis to what is used."""
    intents, probabilities, in_scope, margins, names, counts = tf.map_fn(
        task,
        (tf.range(tf.shape(rows[0])[0]), *rows),
        fn_output_signature=(
            tf.TensorSpec([None], tf.string),
            tf.TensorSpec([None, None], tf.float32),
            tf.TensorSpec([None], tf.bool),
            tf.TensorSpec([None], tf.float32),
            tf.TensorSpec([None], tf.string),
            tf.int32,
        ),
        parallel_iterations=1,
    )
    most = tf.reduce_max(counts)
    return {
        "intents": intents,
        "probabilities": probabilities[:, :, :most],
        "in_scope": in_scope,
        "margins": margins,
        "class_names": names[:, :most],
    }
