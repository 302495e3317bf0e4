"""A learner's calibration, measured on tasks whose answers are known."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from maml_tf.episodes import EncodedCorpus, episode_dataset
from maml_tf.episodes.sampler import large_classes
from maml_tf.evaluation.calibration import Calibration, fit_temperature, scope_scores
from maml_tf.evaluation.features import embed_once
from maml_tf.evaluation.finite import checked_predictions
from maml_tf.evaluation.scope_rule import fit_scope_rule, support_features
from maml_tf.learners import MetaLearner

SHOTS = (1, 2, 3, 5, 10)


@dataclass(frozen=True)
class AskedBot:
    """A bot that was taught and asked.

    Attributes:
        features: its `support_features`, `[7]`.
        logits: of questions of its own, `[questions, classes]`.
        labels: int `[questions]`, the class of each.
    """

    features: np.ndarray
    logits: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class _Kind:
    """Bots of so many classes and examples of each, and how many of them."""

    ways: int
    shots: int
    bots: int


def calibrate_learner(
    learner: MetaLearner,
    encoded: EncodedCorpus,
    *,
    ways: int,
    shots: int,
    queries: int,
    episodes: int = 100,
    seed: int = 0,
    recall: float = 0.9,
) -> Calibration:
    """Fits a temperature and the rule for "I do not know" on validation episodes.

    The episodes are of `shots` examples a class and of 1, 2, 3, 5 and 10, and of half,
    once and three times `ways` classes, as far as the corpus and the learner go: the
    rule then holds for bots of other sizes too.

    Args:
        learner: adapts to every support set; nothing is trained.
        encoded: texts of validation classes; classes with too few rows are left out.
        ways, shots, queries: the shape of a task that the corpus has to allow for.
        episodes: how many in all, at least one of each kind.
        seed: fixes the draws.
        recall: the share of a bot's own questions that shall be in scope.

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
    >>> fitted.in_scope(np.array([[0.0, -2.0]]), support_features(
    ...     np.array([[0.0, -2.0], [-2.0, 0.0]]), np.array([0, 1]))).tolist()
    [True]
    """
    kinds = list(
        _kinds(learner, encoded, ways=ways, shots=shots, queries=queries, bots=episodes)
    )

    def draw(data: EncodedCorpus) -> Iterator[Any]:
        for number, kind in enumerate(kinds):
            yield from episode_dataset(
                data,
                ways=kind.ways,
                shots=kind.shots,
                queries=queries,
                tasks_per_batch=1,
                seed=seed + number,
                steps=kind.bots,
                drop_small_classes=True,
            )

    learner.build_from_episode(next(draw(encoded))[0])
    learner, encoded = embed_once(learner, encoded, draw)

    def answers(x: dict[str, Any]) -> tuple[tf.Tensor, tf.Tensor]:
        fast = learner.adapt(x["support_inputs"], x["support_targets"])
        asked = learner.predict_adapted(fast, x["query_inputs"])
        # Features of what was taught need its logits as well.
        return asked[0], learner.predict_adapted(fast, x["support_inputs"])[0]

    # Traced once: the axes that differ between bots are left open from the start.
    free = 2 if encoded.lengths is None else 3
    answer = tf.function(answers, autograph=False).get_concrete_function(
        tf.nest.map_structure(
            lambda t: tf.TensorSpec(
                [1, *[None] * (min(free, len(t.shape)) - 1), *t.shape[free:]], t.dtype
            ),
            next(draw(encoded))[0],
        )
    )
    bots = []
    for x, y in draw(encoded):
        numbers = np.asarray(x["support_targets"][0])
        taught = numbers.max() + 1
        asked, known = (
            checked_predictions(part[:, :taught]).astype("float64")
            for part in answer(x)
        )
        features = support_features(known, numbers).numpy()
        bots.append(AskedBot(features, asked, y[0].numpy()))
    return calibration_of_bots(bots, recall=recall)


def calibration_of_bots(bots: Sequence[AskedBot], *, recall: float) -> Calibration:
    """The calibration that fits bots whose right answers are known.

    Args:
        bots: of the sizes that the calibration is to hold for.
        recall: the share of a bot's own questions that shall be in scope.
    """
    rule = fit_scope_rule(
        np.array([bot.features for bot in bots]),
        [scope_scores(bot.logits) for bot in bots],
        recall=recall,
    )
    widest = max(bot.logits.shape[1] for bot in bots)
    padded = [
        np.pad(
            bot.logits,
            [(0, 0), (0, widest - bot.logits.shape[1])],
            constant_values=-np.inf,
        )
        for bot in bots
    ]
    labels = np.concatenate([bot.labels for bot in bots])
    return Calibration(fit_temperature(np.concatenate(padded), labels), rule)


def _kinds(
    learner: MetaLearner,
    encoded: EncodedCorpus,
    *,
    ways: int,
    shots: int,
    queries: int,
    bots: int,
) -> Iterator[_Kind]:
    def large(examples: int) -> int:
        return large_classes(
            encoded.labels, shots=examples, queries=queries, templates=encoded.templates
        )

    most = learner.number_of_classes()
    wanted = {max(2, ways // 2), ways, 3 * ways}
    found = {(ways, shots)}  # which the sampler refuses where it cannot be had
    for examples in (shots, *SHOTS):
        room = min(large(examples), most or max(wanted))
        found.update((width, examples) for width in wanted if width <= room)
    for width, examples in sorted(found):
        yield _Kind(width, examples, max(1, bots // len(found)))
