"""Meta-trains an encoder on several corpora, judged by held-out classes of each."""

from collections.abc import Callable

import keras
import numpy as np

from maml_tf.base_learners.split_encoder import TokenStates, UpperEncoder, embed_states
from maml_tf.episodes.mixture import CorpusMixture, MixtureTask
from maml_tf.episodes.sampler import EpisodeSampler
from maml_tf.evaluation.vector_episodes import vector_episode_accuracies
from maml_tf.learners.rotating_prototypical import RotatingPrototypicalNetwork

from .joint_corpora import JointCorpora
from .joint_settings import JointTrainingSettings
from .schedules import warmed_up_cosine

SHOTS = (1, 5)
WAYS = QUERIES = 5
# Shares of the way from the start to the weights of the best step.
SHARES = (0.5, 0.75, 1.0, 1.25)


def train_jointly(
    upper: UpperEncoder,
    states: TokenStates,
    joint: JointCorpora,
    settings: JointTrainingSettings,
) -> list[dict[str, float]]:
    """Trains `upper` in place and leaves it at what was best on validation classes.

    Args:
        upper: the trained layers of an encoder.
        states: what the layers below make of `joint.texts`.
        joint: the corpora.
        settings: see there.

    Returns:
        A row for each validation: its `step` and `share` of the way from the start, the
        `score` that was compared, and the accuracies it is the mean of.
    """
    mixture = make_mixture(upper, states, joint, settings)
    learner = _make_learner(upper, settings)
    weights = upper.trainable_variables
    start = [v.numpy() for v in weights]
    average, best = start, start
    rows = [{"step": 0, "share": 1.0, **validate(upper, states, joint, settings)}]
    _tell(rows[-1])
    for step in range(1, settings.steps + 1):
        task = mixture.sample(step - 1)
        learner.train_on_batch(*_episode(task, states, joint, settings, step))
        average = [
            settings.averaging * a + (1 - settings.averaging) * v.numpy()
            for a, v in zip(average, weights, strict=True)
        ]
        if step % settings.validate_every and step < settings.steps:
            continue
        last = [v.numpy() for v in weights]
        _assign(weights, average)
        scores = validate(upper, states, joint, settings)
        rows.append({"step": step, "share": 1.0, **scores})
        _tell(rows[-1])
        top = best_row(rows)
        if top is rows[-1]:
            best = average
        elif step - top["step"] >= settings.patience * settings.validate_every:
            break
        _assign(weights, last)
    rows += _choose_share(
        weights, start, best, rows, lambda: validate(upper, states, joint, settings)
    )
    return rows


def best_row(rows: list[dict[str, float]]) -> dict[str, float]:
    """The row with the best score, of equals the last.

    Where held-out classes are told apart nearly without fault, scores stand still long
    before the encoder has learned what helps another corpus.

    >>> best_row([{"score": 0.9, "step": 30}, {"score": 0.9, "step": 60}])["step"]
    60
    """
    return max(rows, key=lambda row: (row["score"], row["step"]))


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


def _choose_share(
    weights: list[keras.Variable],
    start: list[np.ndarray],
    best: list[np.ndarray],
    rows: list[dict[str, float]],
    judge: Callable[[], dict[str, float]],
) -> list[dict[str, float]]:
    """Sets the weights between start and best, or just beyond, that judge best."""
    top = best_row(rows)
    found, tried = {1.0: top}, []
    for share in SHARES if top["step"] else ():
        if share not in found:
            _assign(weights, _between(start, best, share))
            found[share] = {"step": top["step"], "share": share, **judge()}
            tried.append(found[share])
            _tell(found[share])
    share = max(found, key=lambda s: found[s]["score"])
    _assign(weights, _between(start, best, share))
    return tried


def _between(
    start: list[np.ndarray], end: list[np.ndarray], share: float
) -> list[np.ndarray]:
    return [a + share * (b - a) for a, b in zip(start, end, strict=True)]


def _assign(weights: list[keras.Variable], values: list[np.ndarray]) -> None:
    for variable, value in zip(weights, values, strict=True):
        variable.assign(value)


def _make_learner(
    upper: UpperEncoder, settings: JointTrainingSettings
) -> RotatingPrototypicalNetwork:
    keras.utils.set_random_seed(settings.seed)
    learner = RotatingPrototypicalNetwork(
        upper, examples_per_class=settings.examples, scale=settings.scale
    )
    schedule = warmed_up_cosine(settings.learning_rate, settings.steps)
    learner.compile(keras.optimizers.AdamW(schedule, weight_decay=0.01, clipnorm=1.0))
    return learner


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


def _tell(row: dict[str, float]) -> None:
    scores = ", ".join(
        f"{name} {100 * value:.1f}" for name, value in row.items() if "-shot" in name
    )
    share = "" if row["share"] == 1 else f" x {row['share']}"
    print(
        f"step {row['step']}{share}: {100 * row['score']:.2f} % ({scores})", flush=True
    )
