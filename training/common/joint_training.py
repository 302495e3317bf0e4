"""Meta-trains an encoder on several corpora, judged by held-out classes of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from maml_tf.base_learners.split_encoder import TokenStates, UpperEncoder, embed_states
from maml_tf.episodes.dataset import prefetched
from maml_tf.episodes.mixture import CorpusMixture, MixtureTask
from maml_tf.episodes.sampler import EpisodeSampler
from maml_tf.evaluation.vector_episodes import vector_episode_accuracies
from maml_tf.learners.rotating_prototypical import RotatingPrototypicalNetwork

from .best_share import keep_best_share, weights_of
from .joint_corpora import JointCorpora
from .joint_settings import JointTrainingSettings
from .loop import meta_train
from .run import Run
from .schedules import warmed_up_cosine

SHOTS = (1, 5)
WAYS = QUERIES = 5
# Shares of the way from the start to the weights of the best step; of equals the first.
SHARES = (1.0, 0.5, 0.75, 1.25)
Row = dict[str, Any]


@dataclass(frozen=True)
class JointTraining:
    """How a training went.

    Attributes:
        rows: one for each validation, the first of the encoder as it was: its `step`,
            the `score` that was compared, and the accuracies it is the mean of; those
            that chose how far to go have their `share` of the way.
        kept: the row of the weights that were kept.
        seconds: of meta-steps, those before a kill included.
    """

    rows: list[Row]
    kept: Row
    seconds: float


def train_jointly(
    run: Run,
    upper: UpperEncoder,
    states: TokenStates,
    joint: JointCorpora,
    settings: JointTrainingSettings,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
) -> JointTraining:
    """Trains `upper` in place and leaves it at what was best on validation classes.

    Args:
        run: keeps checkpoint and scores; its identity has to hold the settings, the
            corpora and the encoder.
        upper: the trained layers of an encoder, with its base weights.
        states: what the layers below make of `joint.texts`.
        joint: the corpora.
        settings: see there.
        callbacks: for `fit`.
    """
    start = weights_of(upper)
    mixture = make_mixture(upper, states, joint, settings)
    progress = meta_train(
        run,
        _make_learner(upper, settings),
        lambda first: _batches(mixture, states, joint, settings, first),
        steps=settings.steps,
        validate=lambda learner: validate(upper, states, joint, settings),
        monitor="score",
        validate_every=settings.validate_every,
        patience=settings.patience,
        judge_start=True,
        # Where held-out classes are told apart nearly without fault, scores stand still
        # long before the encoder has learned what helps another corpus.
        prefer_later=True,
        callbacks=callbacks,
    )
    best = next(row for row in progress.rows if row["step"] == progress.best_step)
    tried: dict[float, Row] = {1.0: best}

    def judge(share: float) -> float:
        if share not in tried:
            scores = run.value(
                f"share-{share}", lambda: validate(upper, states, joint, settings)
            )
            tried[share] = {"step": best["step"], "share": share, **scores}
            print(f"{share} of the way: score {scores['score']:.4f}", flush=True)
        return tried[share]["score"]

    share = 1.0
    if best["step"]:
        share = keep_best_share(upper, start, judge, shares=SHARES)
    others = [row for number, row in tried.items() if number != 1.0]
    return JointTraining([*progress.rows, *others], tried[share], progress.seconds)


def make_mixture(
    upper: UpperEncoder,
    states: TokenStates,
    joint: JointCorpora,
    settings: JointTrainingSettings,
) -> CorpusMixture:
    """The tasks to train on; what is confusable is judged by the encoder as it is."""
    labels = joint.training_labels()
    similarities = None
    if settings.confusable_share:
        few = np.concatenate(
            [np.flatnonzero(labels == c)[:20] for c in np.unique(labels[labels >= 0])]
        )
        vectors = embed_states(upper, states, few)
        sums = np.zeros((len(joint.name_rows), vectors.shape[1]))
        np.add.at(sums, labels[few], vectors)
        means = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
        similarities = means @ means.T
    return CorpusMixture(
        labels,
        joint.corpus_of,
        ways=settings.ways,
        examples=settings.examples,
        mixed_share=settings.mixed_share,
        confusable_share=settings.confusable_share,
        similarities=similarities,
        seed=settings.seed,
    )


def check_validation(joint: JointCorpora) -> None:
    """Refuses corpora whose held-out classes are too few or small to validate on.

    Raises:
        SamplingError: naming what there is and what it takes.
    """
    for number in range(len(joint.corpora)):
        EpisodeSampler(
            joint.labels[joint.validation_rows(number)],
            ways=WAYS,
            shots=max(SHOTS),
            queries=QUERIES,
            drop_small_classes=True,
        )


def validate(
    upper: UpperEncoder,
    states: TokenStates,
    joint: JointCorpora,
    settings: JointTrainingSettings,
) -> dict[str, float]:
    """Accuracy on the held-out classes of each corpus, and `score`, their mean."""
    scores = {}
    for number in range(len(joint.corpora)):
        rows = joint.validation_rows(number)
        vectors = embed_states(upper, states, rows)
        for shots in SHOTS:
            scores[f"corpus {number + 1}, {shots}-shot"] = float(
                vector_episode_accuracies(
                    vectors,
                    joint.labels[rows],
                    shots=shots,
                    ways=WAYS,
                    queries=QUERIES,
                    episodes=settings.validation_episodes,
                    seed=settings.seed + 1,
                ).mean()
            )
    return {"score": float(np.mean(list(scores.values()))), **scores}


def _make_learner(
    upper: UpperEncoder, settings: JointTrainingSettings
) -> RotatingPrototypicalNetwork:
    keras.utils.set_random_seed(settings.seed)
    learner = RotatingPrototypicalNetwork(
        upper, examples_per_class=settings.examples, scale=settings.scale
    )
    schedule = warmed_up_cosine(settings.learning_rate, settings.steps)
    learner.compile(
        keras.optimizers.AdamW(
            schedule,
            weight_decay=0.01,
            clipnorm=1.0,
            use_ema=settings.averaging > 0,
            ema_momentum=settings.averaging,
        )
    )
    return learner


def _batches(
    mixture: CorpusMixture,
    states: TokenStates,
    joint: JointCorpora,
    settings: JointTrainingSettings,
    first: int,
) -> tf.data.Dataset:
    """Endless batches of one task from a step's number on; their sizes differ."""

    def generate() -> Iterator[Any]:
        step = first
        while True:
            yield _episode(mixture.sample(step), states, joint, settings, step + 1)
            step += 1

    def specification(array: np.ndarray) -> tf.TensorSpec:
        # One task; ways and tokens as they come; a state's width is the last axis.
        free = (1, None, None, *array.shape[3:])[: array.ndim]
        return tf.TensorSpec(free, array.dtype)

    example = _episode(mixture.sample(0), states, joint, settings, 1)
    signature = keras.tree.map_structure(specification, example)
    dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
    return prefetched(dataset, 2)


def _episode(
    task: MixtureTask,
    states: TokenStates,
    joint: JointCorpora,
    settings: JointTrainingSettings,
    step: int,
) -> tuple[dict[str, object], np.ndarray]:
    """A task as the learner takes it: `[1, ways]` supports, the others are queries."""
    rows = task.rows.copy()
    random = np.random.default_rng((settings.seed, 1, step))
    named = random.random(len(rows)) < settings.name_share
    rows[named, 0] = joint.name_rows[task.classes[named]]
    ways, examples = rows.shape
    inputs = states.batch(rows.T.reshape(-1))
    support, query = (
        {name: array[None, part] for name, array in inputs.items()}
        for part in (slice(ways), slice(ways, None))
    )
    labels = np.arange(ways, dtype="int32")
    x = {
        "support_inputs": support,
        "support_targets": labels[None],
        "query_inputs": query,
    }
    return x, np.tile(labels, examples - 1)[None]
