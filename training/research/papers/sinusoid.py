"""The sinusoid table of the MAML paper (arXiv 1703.03400, section 5.1)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from maml_tf import MAML, MetaLearner, Reptile
from maml_tf.base_learners import create_multilayer_perceptron
from maml_tf.episodes.regression import regression_episodes
from maml_tf.evaluation import mean_with_interval
from maml_tf.evaluation.pictures import new_figure, save_picture
from maml_tf.inner_loop import Adam, GradientDescent, LearnedOptimizer, UpdateRule
from maml_tf.inner_loop.meta_gradients import Implicit
from maml_tf.learners import ImplicitMAML, MAMLPlusPlus, MetaSGD
from training.research.papers.rows import Row

Evaluation = Callable[[MetaLearner, int, int, int], dict[str, Any]]
STEPS = (1, 5, 10)
PUBLISHED = {1: 0.67, 5: 0.38, 10: 0.35}
PRETRAINED = {1: 2.41, 5: 2.23, 10: 2.19}
SGD_RATES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1)
ADAM_RATES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
GRID = np.linspace(-5, 5, 101, dtype="float32")
PANELS_A_LINE = 4
TASKS, QUERIES, LOSS = 25, 10, "mean_squared_error"
CLIP_NORM = 10.0
# An interval needs two.
FEWEST_EPISODES = 2


def network(seed: int = 0) -> keras.Model:
    return create_multilayer_perceptron(hidden_units=(40, 40), seed=seed)


def rows(data_dir: str, seed: int, meta_steps: int | None, episodes: int) -> list[Row]:
    """The rows of the table, 5-shot and 10-shot."""

    def row(
        name: str,
        make: Callable[[int], MetaLearner],
        steps: int,
        shots: int,
        published: dict[int, float] | None = None,
        after: Evaluation | None = None,
        tasks: int = TASKS,
        training_shots: int | None = None,
        told_too: str = "",
    ) -> Row:
        """A learner; one that trains on the support set alone may see more of it."""
        steps = meta_steps or steps
        seen = training_shots or shots
        told = f"{seen} examples" if training_shots else f"{QUERIES} queries"
        return Row(
            f"{name}, {shots}-shot",
            lambda: make(steps),
            steps,
            lambda start: regression_episodes(
                shots=seen,
                queries=QUERIES,
                tasks_per_batch=tasks,
                seed=seed,
                start_step=start,
            ),
            lambda learner: (after or _after_steps)(learner, shots, seed, episodes),
            {"tasks": f"{tasks} a meta-step, {told}{told_too}"},
            {
                f"after {k} steps": {"squared error": value}
                for k, value in (published or {}).items()
            },
        )

    def maml(inner_steps: int, **options: Any) -> Callable[[int], MetaLearner]:
        return lambda steps: with_adam(
            MAML(network(seed), inner_steps=inner_steps, inner_loss=LOSS, **options),
            steps,
        )

    def learned_optimizer(steps: int) -> MetaLearner:
        learner = MAMLPlusPlus(
            network(seed),
            inner_loss=LOSS,
            update_rule=LearnedOptimizer(learning_rate=0.01),
            # The loss after every step, for all of 1, 5 and 10 are asked for.
            multi_step_annealing=None,
            # Unrolled, an LSTM in five inner steps compiles longer and is no faster.
            meta_gradient="exact_recursive",
        )
        return with_adam(learner, steps)

    # Some early tasks of these run away; unclipped, their gradients end training, or
    # set it back by thousands of steps.
    clipped = f", clipped to a norm of {CLIP_NORM:g}"

    def maml_of_five(steps: int) -> MetaLearner:
        learner = MAML(network(seed), inner_steps=5, inner_loss=LOSS)
        return with_adam(learner, steps, global_clipnorm=CLIP_NORM)

    def first_order_maml(steps: int) -> MetaLearner:
        learner = MAML(network(seed), first_order=True, inner_loss=LOSS)
        return with_adam(learner, steps, global_clipnorm=CLIP_NORM)

    def maml_plus_plus(steps: int) -> MetaLearner:
        learner = MAMLPlusPlus(
            network(seed), inner_loss=LOSS, multi_step_annealing=steps // 2
        )
        return with_adam(learner, steps, global_clipnorm=CLIP_NORM)

    def implicit_maml(steps: int) -> MetaLearner:
        # After few steps the Hessian has negative directions; undamped, or at larger
        # inner rates, it learned several times less. At a meta rate of 2e-3 it was as
        # good after 3,000 meta-steps and worse again after 8,000.
        learner = ImplicitMAML(
            network(seed),
            inner_steps=32,
            inner_learning_rate=0.005,
            inner_gradient_clip=10.0,
            meta_gradient=Implicit(proximal=0.1, damping=10.0),
            inner_loss=LOSS,
        )
        return with_adam(learner, steps, rate=5e-4, global_clipnorm=CLIP_NORM)

    return [
        row("MAML, 1 step", maml(1), 60000, published=PUBLISHED, shots=5),
        row(
            "MAML, 5 steps",
            maml_of_five,
            20000,
            published=PUBLISHED,
            shots=5,
            told_too=clipped,
        ),
        row("first-order MAML, 5 steps", first_order_maml, 20000, shots=5),
        row("MAML++, 5 steps", maml_plus_plus, 20000, shots=5),
        row("ANIL", maml(5, fast_weights="head"), 20000, shots=5),
        row("ImplicitMAML, 32 steps", implicit_maml, 8000, shots=5),
        row(
            "Meta-SGD",
            lambda steps: with_adam(
                MetaSGD(network(seed), inner_loss=LOSS, inner_learning_rate=0.01), steps
            ),
            20000,
            shots=5,
        ),
        row(
            "Reptile",
            lambda steps: _reptile(network(seed), steps),
            20000,
            training_shots=50,
            shots=5,
        ),
        row(
            "LearnedOptimizer",
            learned_optimizer,
            10000,
            after=_beside_swept_optimizers,
            tasks=8,
            shots=5,
        ),
        row("pretrained on all tasks", maml(0), 20000, published=PRETRAINED, shots=5),
        row("MAML, 1 step", maml(1), 60000, shots=10),
        row("MAML, 5 steps", maml_of_five, 20000, shots=10, told_too=clipped),
    ]


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """Fits of one held-out sinusoid after 0, 1 and 10 steps, a panel a learner."""
    lines = -(-len(results) // PANELS_A_LINE)
    columns = min(len(results), PANELS_A_LINE)
    figure = new_figure(3 * columns, 3 * lines + 0.5)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for panel in panels.flat[len(results) :]:
        panel.set_axis_off()
    for panel, row in zip(panels.flat, results, strict=False):
        fits = row["figures"]["fits"]
        truth = sinusoid_through(fits["inputs"], fits["targets"], GRID)
        panel.plot(GRID, truth, color="0.75", linewidth=5, label="the sinusoid")
        for label, style in (("0", ":"), ("1", "--"), ("10", "-")):
            plural = "" if label == "1" else "s"
            panel.plot(GRID, fits[label], style, label=f"after {label} step{plural}")
        panel.plot(fits["inputs"], fits["targets"], "k^", label="support set")
        panel.set_title(row["name"], fontsize=9)
        # A fit that runs away would flatten all others.
        middle, reach = (truth.max() + truth.min()) / 2, np.ptp(truth)
        panel.set_ylim(middle - reach, middle + reach)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    save_picture(figure, path, dpi=110)


def sinusoid_through(
    inputs: Sequence[float], targets: Sequence[float], grid: np.ndarray
) -> np.ndarray:
    """The sinusoid of period 2 pi through points that lie on one, on a grid.

    Example:

    >>> points = np.array([0.0, 1.0, 2.0])
    >>> sinusoid_through(points, 3 * np.sin(points - 0.5), np.array([0.5, 2.0]))
    array([0.        , 2.99248496])
    """

    def waves(x: Any) -> np.ndarray:
        return np.stack([np.sin(x), np.cos(x)], axis=-1)

    weights = np.linalg.lstsq(waves(np.asarray(inputs)), np.asarray(targets))[0]
    return (waves(grid) @ weights).round(12) + 0.0


def _fits(learner: Any, shots: int) -> dict[str, list[float]]:
    """What the picture shows: predictions for one held-out task on a grid."""
    episodes = regression_episodes(shots=shots, tasks_per_batch=1, seed=7)
    x, _ = next(iter(episodes))
    inputs, targets = x["support_inputs"], x["support_targets"]
    fits = {
        "inputs": inputs.numpy().ravel().tolist(),
        "targets": targets.numpy().ravel().tolist(),
    }
    for steps in (0, 1, 10):
        fast = learner.adapt(inputs, targets, steps=steps)
        curve = learner.predict_adapted(fast, GRID[None, :, None])
        fits[str(steps)] = curve.numpy().ravel().round(4).tolist()
    return fits


def with_adam(
    learner: MetaLearner, steps: int, rate: float = 2e-3, **options: Any
) -> MetaLearner:
    """Compiled with Adam whose rate falls along a cosine."""
    optimizer = MAMLPlusPlus.cosine_adam(rate, meta_steps=steps, **options)
    return _compiled(learner, optimizer, steps)


def _reptile(base: keras.Model, steps: int) -> MetaLearner:
    # Gradient descent on ten of fifty examples a step, as in the paper's experiment.
    learner = Reptile(
        base,
        inner_steps=5,
        inner_batch_size=10,
        update_rule=GradientDescent(0.02),
        inner_loss=LOSS,
    )
    optimizer = Reptile.annealed_optimizer(1.0, meta_steps=steps)
    return _compiled(learner, optimizer, steps)


def _compiled(learner: MetaLearner, optimizer: Any, steps: int) -> MetaLearner:
    # Keras ends training at whole executions only.
    size = next(size for size in (100, 50, 20, 10, 1) if steps % size == 0)
    learner.compile(optimizer, loss=LOSS, jit_compile=True, steps_per_execution=size)
    return learner


def squared_errors(learner: Any, episodes: Any, steps: int) -> np.ndarray:
    """The mean squared error on each task's queries after so many inner steps."""

    @tf.function(autograph=False, reduce_retracing=True)
    def predict(x: dict[str, tf.Tensor]) -> tf.Tensor:
        fast = learner.adapt(x["support_inputs"], x["support_targets"], steps=steps)
        return learner.predict_adapted(fast, x["query_inputs"])

    return np.concatenate(
        [tf.reduce_mean(tf.square(predict(x) - y), axis=(1, 2)) for x, y in episodes]
    )


def _held_out(shots: int, seed: int, episodes: int) -> tf.data.Dataset:
    batch = min(episodes, 100)
    return regression_episodes(
        shots=shots,
        queries=100,
        tasks_per_batch=batch,
        seed=seed + 1,
        steps=-(-episodes // batch),
    )


def _after_steps(
    learner: MetaLearner, shots: int, seed: int, episodes: int
) -> dict[str, Any]:
    found: dict[str, Any] = {"fits": _fits(learner, shots)}
    for steps in STEPS:
        tasks = _held_out(shots, seed, episodes)
        score = mean_with_interval(squared_errors(learner, tasks, steps))
        found[f"after {steps} steps"] = {
            "squared error": score.mean,
            "squared error_ci95": score.ci95,
        }
    return found


def _beside_swept_optimizers(
    learner: MetaLearner, shots: int, seed: int, episodes: int
) -> dict[str, Any]:
    """Beside it, SGD and Adam from the same initial weights.

    Each at the rate of a sweep that is best *for that number of steps on these very
    tasks*, which favours them.
    """
    found = _after_steps(learner, shots, seed, episodes)
    rules: dict[str, tuple[Callable[[float], UpdateRule], tuple[float, ...]]] = {
        "SGD": (GradientDescent, SGD_RATES),
        "Adam": (Adam, ADAM_RATES),
    }
    for name, (kind, rates) in rules.items():
        for steps in STEPS:
            scores = []
            for rate in rates:
                other = MAML(
                    learner.base_learner, inner_loss=LOSS, update_rule=kind(rate)
                )
                tasks = _held_out(shots, seed, episodes)
                errors = squared_errors(other, tasks, steps)
                scores.append((mean_with_interval(errors), rate))
            score, rate = min(
                scores, key=lambda item: np.nan_to_num(item[0].mean, nan=np.inf)
            )
            key = f"{name} from there, best rate {rate:g}"
            found[f"after {steps} steps"] |= {
                key: score.mean,
                f"{key}_ci95": score.ci95,
            }
    return found
