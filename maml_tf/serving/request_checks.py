"""Checks of a request inside the graph: the first fault found becomes the answer.

A served graph has no Python to raise from. Every check here is safe on any input, so
all of them may run before the one assertion that everything else waits for.
"""

from typing import Any

import tensorflow as tf

from maml_tf.serving.limits import Limits
from maml_tf.serving.negatives import NEGATIVE

__all__ = ["Faults", "Limits", "check_queries", "check_strings", "check_support"]


class Faults:
    """Collects what is wrong with a request and refuses it with one sentence.

    Args:
        prefix: what the sentence starts with, a string tensor or a string.

    Example:

    >>> faults = Faults()
    >>> faults.add(tf.constant(True), "There is no text.")
    >>> faults.guard(tf.constant(1))
    Traceback (most recent call last):
    ...
    tensorflow.python.framework.errors_impl.InvalidArgumentError: Expected 'tf.Tensor...
    >>> int(Faults().guard(tf.constant(1)))
    1
    """

    def __init__(self, prefix: Any = "") -> None:
        self.prefix = prefix
        self.sentence = tf.constant("")

    def add(self, wrong: tf.Tensor, *sentence: Any) -> None:
        """Notes a fault where `wrong`; the parts of its sentence are joined."""
        parts = [self.prefix]
        for part in sentence:
            is_number = isinstance(part, tf.Tensor) and part.dtype != tf.string
            parts.append(tf.strings.as_string(part) if is_number else part)
        first = tf.equal(tf.strings.length(self.sentence), 0)
        self.sentence = tf.where(first & wrong, tf.strings.join(parts), self.sentence)

    def guard(self, tensors: Any) -> Any:
        """The same tensors, which exist only where no fault was found."""
        check = tf.debugging.Assert(tf.equal(self.sentence, ""), [self.sentence])
        with tf.control_dependencies([] if check is None else [check]):
            return tf.nest.map_structure(tf.identity, tensors)


def check_strings(faults: Faults, strings: tf.Tensor, name: str, limit: int) -> None:
    """Notes strings that are not UTF-8, have nothing to read or are too long.

    Args:
        faults: where faults are noted.
        strings: texts or labels, of any number of axes.
        name: what the client calls them.
        limit: most bytes of one.
    """
    lengths = tf.strings.length(strings)
    too_long = lengths > limit
    faults.add(
        tf.reduce_any(too_long),
        f"{name} holds a string of ",
        tf.concat([tf.boolean_mask(lengths, too_long), [0]], 0)[0],
        " bytes, ",
        _first(name, too_long),
        f"; at most {limit} are read.",
    )
    # What is refused already need not be read to its end.
    strings = tf.where(too_long, "-", strings)
    clean = tf.strings.unicode_transcode(strings, "UTF-8", "UTF-8", errors="replace")
    wrong = clean != strings
    faults.add(
        tf.reduce_any(wrong), f"{name} must be UTF-8; ", _first(name, wrong), " is not."
    )
    # Separators, control and format characters of Unicode: nothing a reader sees.
    blank = tf.equal(tf.strings.regex_replace(clean, r"[\s\pZ\pC]+", ""), "")
    faults.add(
        tf.reduce_any(blank),
        f"{name} holds an empty string, ",
        _first(name, blank),
        "; leave it out or write something there.",
    )


def _first(name: str, wrong: tf.Tensor) -> tf.Tensor:
    """What the client calls the first entry for which `wrong` `[any, …]` holds."""
    places = tf.where(wrong)
    place = tf.concat([places, tf.zeros([1, wrong.shape.rank], tf.int64)], 0)[0]
    indices = tf.strings.join(["[", tf.strings.as_string(place), "]"])
    return tf.strings.join([name, tf.strings.reduce_join(indices)])


def check_support(
    faults: Faults,
    texts: tf.Tensor,
    labels: tf.Tensor,
    limits: Limits,
    most_classes: int | None,
) -> None:
    """Notes what makes a support set, texts and labels `[examples]`, unlearnable."""
    faults.add(
        tf.size(texts) != tf.size(labels),
        "support_labels must be as many as support_texts, but there are ",
        tf.size(labels),
        " labels and ",
        tf.size(texts),
        " texts.",
    )
    faults.add(
        tf.size(texts) > limits.examples,
        "The support set has ",
        tf.size(texts),
        f" examples; this model learns from at most {limits.examples}.",
    )
    check_strings(faults, texts, "support_texts", limits.text_bytes)
    check_strings(faults, labels, "support_labels", limits.text_bytes)
    outside = tf.equal(labels, NEGATIVE)
    classes = tf.size(tf.unique(tf.boolean_mask(labels, ~outside)).y)
    others = tf.reduce_sum(tf.cast(outside, tf.int32))
    faults.add(
        tf.equal(classes, 0) & (others > 0),
        "All examples are negative; give examples of an intent.",
    )
    # A single intent can be told from what is for none.
    faults.add(
        classes + others < 2,
        "The support set needs examples of two intents or more and has ",
        classes,
        ".",
    )
    if most_classes is not None:
        faults.add(
            classes > most_classes,
            f"This model tells at most {most_classes} intents apart, not ",
            classes,
            ".",
        )
        faults.add(
            classes + others > most_classes,
            f"This model tells at most {most_classes} intents apart, and each negative "
            "example counts as one; there are ",
            classes,
            " and ",
            others,
            ".",
        )


def check_queries(
    faults: Faults, texts: tf.Tensor, limits: Limits, name: str = "query_texts"
) -> None:
    """Notes what makes query texts `[queries]` unanswerable."""
    faults.add(tf.equal(tf.size(texts), 0), f"{name} holds no text.")
    faults.add(
        tf.size(texts) > limits.queries,
        f"{name} has ",
        tf.size(texts),
        f" entries; at most {limits.queries} are answered at once.",
    )
    check_strings(faults, texts, name, limits.text_bytes)
