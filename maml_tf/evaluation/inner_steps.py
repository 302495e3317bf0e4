"""Accuracy as a function of the number of inner steps."""

import warnings
from collections.abc import Sequence
from typing import Any

from maml_tf.episodes import EncodedCorpus
from maml_tf.evaluation.accuracy import (
    Accuracy,
    episode_accuracies,
    mean_with_interval,
)
from maml_tf.evaluation.features import embed_corpus
from maml_tf.evaluation.finite import EvaluationError
from maml_tf.learners import MAML


def accuracy_by_inner_steps(
    learner: MAML,
    encoded: EncodedCorpus,
    *,
    steps: Sequence[int] = (0, 1, 2, 3, 5, 10),
    episodes: int = 100,
    **options: Any,
) -> dict[int, Accuracy]:
    """Adapts with fewer and more steps than the learner was trained for.

    Args:
        learner: a learner with an inner loop.
        encoded: the corpus that episodes are drawn from, the same for each number.
        steps: the numbers of inner steps.
        episodes: how many for each number.
        options: the other arguments of `episode_accuracies`.

    Returns:
        The accuracy by number of steps, without the numbers after which predictions
        are NaN or infinite; a warning tells of those.
    """
    if (parts := learner.over_features()) is not None:
        # Once for all numbers of steps.
        encoder, learner = parts
        encoded = embed_corpus(encoder, encoded)
    curve = {}
    for count in steps:
        try:
            shares = episode_accuracies(
                learner, encoded, episodes=episodes, steps=count, **options
            )
        except EvaluationError as error:
            warnings.warn(f"After {count} inner steps: {error}", stacklevel=2)
            continue
        curve[count] = mean_with_interval(shares)
    return curve
