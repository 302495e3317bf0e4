"""A learner's calibration, measured on tasks whose answers are known."""

from typing import Any

import numpy as np
import tensorflow as tf

from maml_tf.episodes import EncodedCorpus, episode_dataset
from maml_tf.episodes.sampler import large_classes
from maml_tf.evaluation.calibration import Calibration, fit_calibration
from maml_tf.evaluation.features import embed_once
from maml_tf.evaluation.finite import checked_predictions
from maml_tf.learners import MetaLearner


def calibrate_learner(
    learner: MetaLearner,
    encoded: EncodedCorpus,
    *,
    ways: int,
    shots: int,
    queries: int,
    episodes: int = 100,
    seed: int = 0,
) -> Calibration:
    """Fits temperature and scope threshold on validation episodes.

    Each episode has one class more than the bot is taught: its queries are what a bot
    has to turn away. Where the corpus has no class to spare, the threshold lets 95 %
    of the queries pass.

    Args:
        learner: adapts to every support set; nothing is trained.
        encoded: texts of validation classes; classes with too few rows are left out.
        ways, shots, queries: the shape of a task.
        episodes: how many.
        seed: fixes the draws.

    Returns:
        What `maml_tf.serving.export_learner` takes as `calibration`.

    Raises:
        SamplingError: if too few classes are large enough.
        EvaluationError: if predictions are NaN or infinite.

    Example:

    >>> import keras
    >>> from maml_tf import PrototypicalNetwork
    >>> rows = np.repeat(np.eye(3, dtype="float32"), 4, axis=0)
    >>> data = EncodedCorpus(rows, np.repeat(np.arange(3), 4), ("a", "b", "c"))
    >>> network = PrototypicalNetwork(keras.Sequential([keras.layers.Identity()]))
    >>> fitted = calibrate_learner(network, data, ways=2, shots=1, queries=2)
    >>> -2 < fitted.threshold < 0  # the squared distance to another class is 2
    True
    """
    large = large_classes(
        encoded.labels, shots=shots, queries=queries, templates=encoded.templates
    )

    def draw(data: EncodedCorpus) -> tf.data.Dataset:
        return episode_dataset(
            data,
            ways=ways + (large > ways),
            shots=shots,
            queries=queries,
            tasks_per_batch=1,
            seed=seed,
            steps=episodes,
            drop_small_classes=True,
        )

    learner.build_from_episode(_taught(next(iter(draw(encoded)))[0], ways))
    learner, encoded = embed_once(learner, encoded, draw)
    answer = tf.function(
        lambda x: learner(x, training=False), autograph=False, reduce_retracing=True
    )
    pieces = [
        (checked_predictions(answer(_taught(x, ways))[0, :, :ways]), y[0].numpy())
        for x, y in draw(encoded)
    ]
    logits, labels = map(np.concatenate, zip(*pieces, strict=True))
    known = labels < ways
    outside = None if known.all() else logits[~known]
    return fit_calibration(logits[known], labels[known], outside)


def _taught(x: dict[str, Any], ways: int) -> dict[str, Any]:
    """The task without the examples of classes from `ways` on; its queries stay."""
    kept = tf.where(x["support_targets"][0] < ways)[:, 0]
    return {
        "support_inputs": tf.nest.map_structure(
            lambda t: tf.gather(t, kept, axis=1), x["support_inputs"]
        ),
        "support_targets": tf.gather(x["support_targets"], kept, axis=1),
        "query_inputs": x["query_inputs"],
    }
