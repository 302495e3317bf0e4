"""Accuracy as a function of the number of examples of each class."""

from collections.abc import Sequence
from typing import Any

from maml_tf.episodes import EncodedCorpus
from maml_tf.evaluation.accuracy import (
    Accuracy,
    episode_accuracies,
    mean_with_interval,
)
from maml_tf.evaluation.features import embed_corpus
from maml_tf.learners import MetaLearner


def accuracy_by_examples(
    learner: MetaLearner,
    encoded: EncodedCorpus,
    *,
    examples: Sequence[int] = (1, 2, 3, 5, 10),
    episodes: int = 300,
    **options: Any,
) -> dict[int, Accuracy]:
    """Teaches few and more examples of each class.

    Where adaptation leaves the encoder alone, each text is encoded once for all.

    Args:
        learner: adapts to every support set anew; nothing is trained.
        encoded: the corpus that episodes are drawn from.
        examples: the numbers of examples of each class.
        episodes: how many for each number.
        options: the other arguments of `episode_accuracies`, such as `ways`.

    Raises:
        SamplingError: if too few classes have that many examples.

    Example:

    >>> import keras, numpy as np
    >>> from maml_tf import PrototypicalNetwork
    >>> rows = np.repeat(np.eye(3, dtype="float32"), 4, axis=0)
    >>> data = EncodedCorpus(rows, np.repeat(np.arange(3), 4), ("a", "b", "c"))
    >>> network = PrototypicalNetwork(keras.Sequential([keras.layers.Identity()]))
    >>> found = accuracy_by_examples(network, data, examples=(1, 2), episodes=5,
    ...                              ways=2, queries=2)
    >>> {count: accuracy.mean for count, accuracy in found.items()}
    {1: 1.0, 2: 1.0}
    """
    # A learner is built by its first task.
    episode_accuracies(learner, encoded, shots=min(examples), episodes=1, **options)
    if (parts := learner.over_features()) is not None:
        encoder, learner = parts
        encoded = embed_corpus(encoder, encoded)
    return {
        count: mean_with_interval(
            episode_accuracies(
                learner, encoded, shots=count, episodes=episodes, **options
            )
        )
        for count in examples
    }
