"""How often an adapted language model ranks pairs of replies as their user would."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from maml_tf.episodes.feedback_episodes import EncodedReplies, FeedbackTask, feedback
from maml_tf.learners import MAML

RANKINGS = ("sum", "mean")


def agreement(margins: np.ndarray) -> float:
    """The share of pairs whose margin is positive; one of zero counts half.

    Example:

    >>> agreement(np.array([1.0, 2.0, -1.0, 0.0]))
    0.625
    """
    return float(np.mean((np.sign(margins) + 1) / 2))


class PreferenceScorer:
    """Margins of users' query pairs, before and after pieces of feedback.

    A pair is ranked by how much likelier, in logarithms, adapting made one reply than
    the other: by the sum over a reply's tokens ("sum"), which is the implicit reward
    of DPO, or by their mean ("mean"). Before any feedback both are zero, and the
    log-likelihoods themselves are compared.

    Args:
        learner: a built `MAML` over a language model.
        encoded: the replies.
        thumbs: feedback comes as single thumbs and not as pairs.
    """

    def __init__(
        self, learner: MAML, encoded: EncodedReplies, *, thumbs: bool = False
    ) -> None:
        self.encoded, self.thumbs = encoded, thumbs
        pair = np.zeros((1, 1, 2), int)
        up = pair[..., 0] if thumbs else None
        # Traced once, for feedback of any number.
        inputs, targets = _of_any_number(feedback(encoded, pair, up))
        asked, _ = _of_any_number(feedback(encoded, pair))
        self._adapt = tf.function(
            lambda inputs, targets: learner.adapt(inputs, targets),
            input_signature=[inputs, targets],
            autograph=False,
        )
        episode = {
            "support_inputs": inputs,
            "support_targets": targets,
            "query_inputs": asked,
        }
        self._start = tf.function(
            learner.predict_start, input_signature=[episode], autograph=False
        )
        self._predict = tf.function(learner.predict_adapted, autograph=False)

    def margins(
        self, task: FeedbackTask, pieces: Sequence[int]
    ) -> dict[int, dict[str, np.ndarray]]:
        """Margins `[query]`, positive where the user agrees, by pieces and ranking.

        Args:
            task: a user's.
            pieces: numbers of pieces of feedback; the first ones are learned from.
        """
        asked, judged = feedback(self.encoded, task.query[np.newaxis])
        supports = {k: self._support(task, k) for k in pieces if k}
        some = supports or {1: self._support(task, 1)}
        inputs, targets = next(iter(some.values()))
        start = self._start(
            {
                "support_inputs": _tensors(inputs),
                "support_targets": tf.constant(targets),
                "query_inputs": _tensors(asked),
            }
        ).numpy()
        found = {}
        for count in pieces:
            if not count:
                found[0] = _margins(start, judged)
                continue
            inputs, targets = supports[count]
            fast = self._adapt(_tensors(inputs), tf.constant(targets))
            now = self._predict(fast, _tensors(asked)).numpy()
            found[count] = _margins(now - start, judged)
        return found

    def _support(self, task: FeedbackTask, count: int) -> Any:
        up = task.thumbs[np.newaxis, :count] if self.thumbs else None
        return feedback(self.encoded, task.support[np.newaxis, :count], up)


def _margins(likely: np.ndarray, judged: np.ndarray) -> dict[str, np.ndarray]:
    each = judged * likely
    tokens = np.maximum(np.abs(judged).sum(-1), 1)
    return {
        "sum": each.sum((-2, -1))[0],
        "mean": (each.sum(-1) / tokens).sum(-1)[0],
    }


def _of_any_number(arrays: Any) -> Any:
    """What tensors of other pieces of feedback are like, `[1, pieces, ...]`."""
    return tf.nest.map_structure(
        lambda array: tf.TensorSpec((1, None, *array.shape[2:]), array.dtype), arrays
    )


def _tensors(inputs: Any) -> Any:
    return tf.nest.map_structure(tf.constant, inputs)
