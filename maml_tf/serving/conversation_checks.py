"""Checks of dialogues, conversations and sampling inside the graph; see `Faults`."""

from typing import Any

import tensorflow as tf

from maml_tf.serving.limits import Limits
from maml_tf.serving.request_checks import Faults, check_strings


def check_dialogues(faults: Faults, dialogues: tf.Tensor, limits: Limits) -> None:
    """Notes what makes dialogues `[dialogues, turns]` unlearnable.

    Args:
        faults: where faults are noted.
        dialogues: shorter ones filled up with "".
        limits: of which `examples` is the most dialogues, `queries` the most turns.
    """
    there = dialogues != ""
    counts = tf.reduce_sum(tf.cast(there, tf.int32), axis=1)
    faults.add(tf.equal(tf.size(counts), 0), "There is no dialogue to learn from.")
    faults.add(
        tf.size(counts) > limits.examples,
        "There are ",
        tf.size(counts),
        f" dialogues; this model learns from at most {limits.examples}.",
    )
    faults.add(
        tf.shape(dialogues)[1] > limits.queries,
        "A dialogue has ",
        tf.shape(dialogues)[1],
        f" turns; at most {limits.queries} are read.",
    )
    faults.add(
        tf.reduce_any(there != tf.sequence_mask(counts, tf.shape(there)[1])),
        "dialogues holds an empty turn before others; leave it out or write "
        "something there.",
    )
    faults.add(
        tf.reduce_any(counts < 2),
        "A dialogue needs turns of both sides; the model learns from the second, "
        "the fourth and so on.",
    )
    texts = tf.where(there, dialogues, "-")
    check_strings(faults, texts, "dialogues", limits.text_bytes)


def check_turns(faults: Faults, turns: tf.Tensor, limits: Limits) -> None:
    """Notes what makes a conversation `[turns]` one that no reply belongs to."""
    faults.add(
        tf.equal(tf.size(turns) % 2, 0),
        "turns must begin and end with the user's; there are ",
        tf.size(turns),
        ", an even number.",
    )
    check_count(faults, turns, "turns", limits)
    check_strings(faults, turns, "turns", limits.text_bytes)


def check_sampling(faults: Faults, temperature: Any, top_k: Any, top_p: Any) -> None:
    """Notes numbers by which no token can be chosen."""
    wrong = (temperature < 0) | ~tf.math.is_finite(temperature)
    faults.add(wrong, "temperature must be 0, for the likeliest, or more.")
    faults.add(top_k < 0, "top_k must be 0, for all tokens, or more.")
    faults.add(~((top_p >= 0) & (top_p <= 1)), "top_p must be between 0 and 1.")


def check_count(faults: Faults, texts: tf.Tensor, name: str, limits: Limits) -> None:
    """Notes more texts than are read."""
    faults.add(
        tf.size(texts) > limits.queries,
        f"{name} has ",
        tf.size(texts),
        f" entries; at most {limits.queries} are read.",
    )


def check_length(
    faults: Faults, lengths: tf.Tensor, name: str, most: int, more: Any = 0
) -> None:
    """Notes rows of so many tokens `[rows]` that are too long, with `more` behind."""
    longest = tf.reduce_max(tf.cast(lengths, tf.int32)) + more
    faults.add(
        longest > most,
        f"{name} takes ",
        longest,
        f" tokens; at most {most} are read.",
    )
