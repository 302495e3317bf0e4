"""Four kinds of function in one stream: does a metric over tasks guide the update?

Not a paper's own table, but the setting of HSML (arXiv 1905.05301): plain MAML beside
`TaskSimilarityMAML`, and how well the similarities tell the kinds apart.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from maml_tf import MAML
from maml_tf.episodes.regression import KINDS, regression_episodes
from maml_tf.evaluation import mean_with_interval
from maml_tf.evaluation.pictures import new_figure, save_picture
from maml_tf.learners import MetaLearner, TaskSimilarityMAML
from training.research.papers.rows import Row
from training.research.papers.sinusoid import (
    CLIP_NORM,
    LOSS,
    TASKS,
    network,
    squared_errors,
    with_adam,
)

INNER_STEPS, SHOTS = 5, 10
# Of each kind, in the picture.
DRAWN_TASKS = 40
# Kinds are told by one half of the tasks for the other, whose interval needs two.
FEWEST_EPISODES = 4


def rows(data_dir: str, seed: int, meta_steps: int | None, episodes: int) -> list[Row]:
    """Plain MAML and TaskSimilarityMAML, trained alike."""
    steps = meta_steps or 20000
    learners: dict[str, Callable[[], MetaLearner]] = {
        "MAML": lambda: MAML(network(seed), inner_steps=INNER_STEPS, inner_loss=LOSS),
        "TaskSimilarityMAML": lambda: TaskSimilarityMAML(
            network(seed),
            keys=16,
            regression=True,
            inner_steps=INNER_STEPS,
            inner_loss=LOSS,
        ),
    }

    def compiled(make: Callable[[], MetaLearner]) -> MetaLearner:
        # Unclipped, one task that runs away can spoil the rest of the training.
        return with_adam(make(), steps, global_clipnorm=CLIP_NORM)

    def training(start: int) -> tf.data.Dataset:
        return regression_episodes(
            tuple(KINDS),
            shots=SHOTS,
            tasks_per_batch=TASKS,
            seed=seed,
            start_step=start,
        )

    def evaluate(learner: MetaLearner) -> dict[str, Any]:
        held_out = list(_held_out(seed, episodes))
        score = mean_with_interval(squared_errors(learner, held_out, INNER_STEPS))
        name = f"after {INNER_STEPS} steps"
        found = {name: {"squared error": score.mean, "squared error_ci95": score.ci95}}
        if isinstance(learner, TaskSimilarityMAML):
            shares, kinds = _similarities(learner, held_out)
            found["similarities by kind"] = {
                kind: shares[kinds == place][:DRAWN_TASKS].round(2).tolist()
                for place, kind in enumerate(KINDS)
            }
            right = _nearest_kind(shares, kinds)
            score = mean_with_interval(right)
            found["kind told from the similarities"] = {
                "share right": score.mean,
                "share right_ci95": score.ci95,
            }
        return found

    return [
        Row(
            name,
            partial(compiled, make),
            steps,
            training,
            evaluate,
            {"tasks": f"{TASKS} a meta-step, {SHOTS} shots, {INNER_STEPS} inner steps"},
        )
        for name, make in learners.items()
    ]


def draw(results: list[dict[str, Any]], path: Any) -> None:
    """Held-out tasks, a line each, and how similar they are to each key."""
    table = next(
        row["figures"]["similarities by kind"]
        for row in results
        if "similarities by kind" in row["figures"]
    )
    # Among few test tasks a kind may be missing.
    table = {kind: tasks for kind, tasks in table.items() if tasks}
    kinds = [np.array(tasks) for tasks in table.values()]
    means = np.stack([tasks.mean(axis=0) for tasks in kinds])
    # Keys of one kind beside each other, the most used first.
    order = np.lexsort((-means.max(axis=0), means.argmax(axis=0)))
    figure = new_figure(6, 5)
    axes = figure.subplots()
    picture = axes.imshow(
        np.concatenate(kinds)[:, order],
        vmin=0,
        vmax=1,
        aspect="auto",
        interpolation="nearest",
    )
    ends = np.cumsum([len(tasks) for tasks in kinds])
    axes.hlines(ends[:-1] - 0.5, -0.5, len(order) - 0.5, colors="white")
    middles = [end - len(tasks) / 2 for end, tasks in zip(ends, kinds, strict=True)]
    axes.set_yticks(middles, [kind.replace("_", " ") for kind in table])
    axes.set_xticks(range(len(order)), order)
    axes.set(
        xlabel="learned task key, those of a kind together",
        ylabel="held-out tasks, a line each",
    )
    figure.colorbar(picture, label="similarity of the task to the key")
    save_picture(figure, path, dpi=110)


def _held_out(seed: int, episodes: int) -> tf.data.Dataset:
    batch = min(episodes, 100)
    return regression_episodes(
        tuple(KINDS),
        shots=SHOTS,
        queries=100,
        tasks_per_batch=batch,
        seed=seed + 1,
        steps=-(-episodes // batch),
        name_kinds=True,
    )


def _similarities(
    learner: TaskSimilarityMAML, batches: list
) -> tuple[np.ndarray, np.ndarray]:
    shares = [
        learner.similarities(x["support_inputs"], x["support_targets"])
        for x, _ in batches
    ]
    kinds = [x["kind"] for x, _ in batches]
    return np.concatenate(shares), np.concatenate(kinds)


def _nearest_kind(shares: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Whether each task of the second half is nearest to its own kind's mean.

    The means are of the first half, so no task is judged by itself. A kind that the
    first half lacks is nobody's nearest.

    Example:

    >>> shares = np.array([[0.0, 1], [1, 0], [0.1, 0.9], [0.2, 0.8], [0.9, 0.1]])
    >>> _nearest_kind(shares, np.array([2, 0, 2, 1, 0]))
    array([1., 0., 1.])
    """
    half = len(kinds) // 2
    known = np.unique(kinds[:half])
    means = np.stack(
        [shares[:half][kinds[:half] == kind].mean(axis=0) for kind in known]
    )
    apart = np.square(shares[half:, None] - means).sum(axis=-1)
    return (known[apart.argmin(axis=1)] == kinds[half:]).astype("float64")
