"""Why a bot took a text for an intent, and which of its examples look wrong.

The default model compares a text with the prototype of each intent, the direction of
the sum of its examples' vectors. The cosine of the two is a sum over those examples:

    cosine(q, v_1 + … + v_k) = Σ_i  q·v_i / |v_1 + … + v_k|

for vectors of length 1, and a term of it is the weight of an example. So the weights of
an intent's examples add up to the very number by which that intent was chosen, and are
to be compared between intents. For a model that decides otherwise (MAML, say), they
tell what its encoder finds alike, not what its head weighed.
"""

from collections.abc import Collection

import numpy as np

from maml_tf.chatbot.learning import Learned
from maml_tf.chatbot.records import Because
from maml_tf.evaluation.doubtful_labels import doubtful_labels
from maml_tf.serving.negatives import NEGATIVE

SHOWN = 5  # examples of one intent


def because(learned: Learned, query: np.ndarray, intent: str) -> list[Because]:
    """The weightiest examples of an intent, the weightiest first.

    Args:
        learned: the bot.
        query: the vector `[dim]` of the text, of length 1.
        intent: one of the bot's.
    """
    rows = np.flatnonzero(learned.labels == intent)
    own = learned.vectors[rows]
    length = max(float(np.linalg.norm(own.sum(axis=0))), 1e-12)
    weights = own @ query / length
    best = np.argsort(-weights, kind="stable")[:SHOWN]
    return [Because(learned.texts[rows[n]], intent, float(weights[n])) for n in best]


def doubts(learned: Learned, texts: Collection[str], intent: str) -> list[str]:
    """A sentence on each of `texts` that its own intent's other examples contradict.

    Args:
        learned: the bot, with these texts taught.
        texts: examples of `intent`.
    """
    taught = np.flatnonzero(learned.labels != NEGATIVE)
    labels, vectors = learned.labels[taught], learned.vectors[taught]
    if intent == NEGATIVE:
        return []
    doubtful = doubtful_labels(vectors, labels.astype(str))
    found = []
    for row in np.flatnonzero(doubtful & (labels == intent)):
        text = learned.texts[taught[row]]
        if text not in texts:
            continue
        others = np.flatnonzero(labels != intent)
        nearest = others[np.argmax(vectors[others] @ vectors[row])]
        found.append(
            f"{text!r} is taught as {intent!r} but looks like {labels[nearest]!r}, "
            f"where {learned.texts[taught[nearest]]!r} is an example; check which of "
            "them is right."
        )
    return found


def on_a_map(vectors: np.ndarray) -> np.ndarray:
    """Two principal components `[texts, 2]` of vectors `[texts, dim]`.

    The largest coordinate of each axis is positive, so that a map does not flip.

    Example:

    >>> on_a_map(np.array([[0.0, 0, 1], [0, 0, -1], [0, 0, 0]])).round(2).tolist()
    [[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]
    """
    places = np.zeros((len(vectors), 2))
    if len(vectors) < 2:
        return places
    left, sizes, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    found = (left * sizes)[:, :2]
    rows = np.abs(found).argmax(axis=0)
    signs = np.where(found[rows, np.arange(found.shape[1])] < 0, -1.0, 1.0)
    places[:, : found.shape[1]] = found * signs
    return np.where(np.abs(places) < 1e-9, 0.0, places)
