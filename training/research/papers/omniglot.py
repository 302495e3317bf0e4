"""The Omniglot table: 28 x 28 images, the split of Vinyals et al., four conv blocks."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from maml_tf import MAML, MetaLearner, PrototypicalNetwork, Reptile
from maml_tf.base_learners import create_conv_net
from maml_tf.episodes.dataset import EncodedCorpus
from maml_tf.episodes.omniglot import image_episodes, read_omniglot
from maml_tf.evaluation import mean_with_interval
from maml_tf.evaluation.transduction import predict_without_transduction
from maml_tf.inner_loop import GradientDescent
from maml_tf.learners import MAMLPlusPlus, MatchingNetwork, ProtoMAML
from training.common.digests import file_digest
from training.research.papers.rows import Row

FILTERS = 64
SETTINGS = {"5-way 1-shot": (5, 1), "5-way 5-shot": (5, 5), "20-way 1-shot": (20, 1)}
QUERIES = 5
# An interval needs two.
FEWEST_EPISODES = 2


def pooled_net(classes: int = 1, **options: Any) -> keras.Model:
    """Four blocks with max-pooling."""
    return create_conv_net(
        classes, filters=FILTERS, downsample="max_pool", convolution="native", **options
    )


def pooled_encoder() -> keras.Model:
    """The encoder of prototypical networks, with moving averages in test."""
    net = pooled_net(batch_statistics=False)
    return keras.Model(net.inputs, net.get_layer("features").output)


def undecided_net(classes: int) -> keras.Model:
    """A net with the statistics of the current batch, whose head starts at zero.

    A first step from there makes each class's weights the mean of its examples less
    the mean of all. On validation classes, after 4,000 tasks of MAML with one inner
    step, it stood at 93.5 %, and a head of random weights at 89.0; strides in place of
    max-pooling, as in the paper, learned more slowly than either.
    """
    net = pooled_net(classes)
    kernel = net.get_layer("head").kernel
    kernel.assign(tf.zeros_like(kernel))
    return net


def rows(data_dir: str, seed: int, meta_steps: int | None, episodes: int) -> list[Row]:
    """The rows of the table; `episodes` test episodes each."""

    @cache
    def data(split: str) -> EncodedCorpus:
        return read_omniglot(Path(data_dir), split)

    @cache
    def content() -> dict[str, str]:
        names = ("omniglot.npz", "vinyals_splits.json")
        return {name: file_digest(Path(data_dir) / name) for name in names}

    def training(ways: int, shots: int, queries: int, tasks: int) -> Callable:
        return lambda start: image_episodes(
            data("train"),
            ways=ways,
            shots=shots,
            queries=queries,
            tasks_per_batch=tasks,
            seed=seed,
            start_step=start,
        )

    def evaluation(*settings: str, steps: int | None = None) -> Callable:
        return lambda learner: {
            setting: _score(learner, data("test"), setting, steps, seed, episodes)
            for setting in settings
        }

    def row(
        name: str,
        setting: str,
        make: Callable[[int, int], MetaLearner],
        steps: int,
        published: float | dict[str, float] | None,
        *,
        tasks: int,
        shots: int | None = None,
        queries: int = 5,
        test_steps: int = 3,
    ) -> Row:
        """A learner whose net is for one number of classes."""
        ways, test_shots = SETTINGS[setting]
        steps, shots = meta_steps or steps, shots or test_shots
        return Row(
            f"{name}, {setting}",
            lambda: make(ways, steps),
            steps,
            training(ways, shots, queries, tasks),
            evaluation(setting, steps=test_steps),
            {
                "inner steps in test": test_steps,
                "tasks": f"{tasks} of {ways} ways, {shots} shots, {queries} queries",
                "normalisation": "statistics of the batch: transductive",
            },
            {} if published is None else {setting: published},
            content,
        )

    def metric_row(
        name: str,
        learner: Callable[..., MetaLearner],
        published: tuple[float, ...],
        **options: Any,
    ) -> Row:
        """A learner that compares embeddings, trained once for all settings."""
        steps = meta_steps or 8000
        return Row(
            name,
            lambda: _annealed(learner(pooled_encoder(), **options), 2e-3, steps),
            steps,
            training(60, 1, 5, 1),
            evaluation(*SETTINGS),
            {
                "tasks": "1 of 60 ways, 1 shot, 5 queries",
                "normalisation": "moving averages: no transduction",
            },
            dict(zip(SETTINGS, published, strict=True)),
            content,
        )

    one, five, twenty = SETTINGS
    return [
        metric_row("ProtoNet", PrototypicalNetwork, (98.8, 99.7, 96.0), scale=1 / 64),
        metric_row("MatchingNetwork", MatchingNetwork, (98.1, 98.9, 93.8), scale=10.0),
        row("MAML", one, _maml, 12000, 98.7, tasks=8),
        row("MAML", five, _maml, 4000, 99.9, tasks=4, test_steps=1),
        row("MAML", twenty, _maml, 3000, 95.8, tasks=4, queries=3, test_steps=1),
        row("ProtoMAML", one, _proto_maml, 2000, None, tasks=8, test_steps=1),
        row("MAML++", one, _maml_plus_plus, 8000, 99.47, tasks=4),
        row(
            "Reptile",
            one,
            _reptile,
            12000,
            {"accuracy": 97.68, "accuracy_one_query_at_a_time": 95.39},
            tasks=5,
            shots=10,
            queries=1,
            test_steps=50,
        ),
    ]


def _maml(ways: int, steps: int) -> MetaLearner:
    learner = MAML(
        undecided_net(ways), inner_steps=1, inner_learning_rate=0.4, vectorized=False
    )
    return _annealed(learner, 2e-3, steps)


def _proto_maml(ways: int, steps: int) -> MetaLearner:
    learner = ProtoMAML(
        pooled_net(ways), inner_steps=1, inner_learning_rate=0.01, vectorized=False
    )
    return _annealed(learner, 1e-3, steps)


def _maml_plus_plus(ways: int, steps: int) -> MetaLearner:
    learner = MAMLPlusPlus(
        undecided_net(ways),
        inner_steps=3,
        inner_learning_rate=0.1,
        multi_step_annealing=steps // 2,
        vectorized=False,
    )
    return _annealed(learner, 1e-3, steps)


def _reptile(ways: int, steps: int) -> MetaLearner:
    # On validation classes, after 500 meta-steps, 88.7 %; 80.1 % with the paper's Adam.
    learner = Reptile(
        undecided_net(ways),
        inner_steps=5,
        inner_batch_size=10,
        update_rule=GradientDescent(0.05),
        vectorized=False,
    )
    optimizer = Reptile.annealed_optimizer(1.0, meta_steps=steps)
    learner.compile(optimizer, jit_compile=False)
    return learner


def _annealed(learner: MetaLearner, rate: float, steps: int) -> MetaLearner:
    """Compiled with Adam whose rate falls along a cosine."""
    # Keras' convolutions are several times slower under XLA on a CPU.
    learner.compile(MAMLPlusPlus.cosine_adam(rate, meta_steps=steps), jit_compile=False)
    return learner


def _score(
    learner: Any,
    data: EncodedCorpus,
    setting: str,
    steps: int | None,
    seed: int,
    episodes: int,
) -> dict[str, float]:
    """Accuracy in per cent with its interval.

    With `steps`, that many inner steps are taken, and the same episodes are also run
    one query at a time: learners with an inner loop normalise by the current batch.
    """
    ways, shots = SETTINGS[setting]
    batches = image_episodes(
        data,
        ways=ways,
        shots=shots,
        queries=QUERIES,
        tasks_per_batch=2,
        seed=seed + 1,
        steps=-(-episodes // 2),
    )
    options = {} if steps is None else {"steps": steps}

    def together(x: dict[str, tf.Tensor]) -> tf.Tensor:
        fast = learner.adapt(x["support_inputs"], x["support_targets"], **options)
        return learner.predict_adapted(fast, x["query_inputs"])

    ways_to_predict: dict[str, Callable] = {"accuracy": together}
    if steps is not None:
        ways_to_predict["accuracy_one_query_at_a_time"] = lambda x: (
            predict_without_transduction(learner, x, **options)
        )
    scores: dict[str, float] = {}
    for name, predict in ways_to_predict.items():
        predict = tf.function(predict, autograph=False, reduce_retracing=True)
        shares = [
            (np.argmax(predict(x), axis=-1) == y.numpy()).mean(axis=-1)
            for x, y in batches
        ]
        score = mean_with_interval(np.concatenate(shares))
        scores |= {name: 100 * score.mean, f"{name}_ci95": 100 * score.ci95}
    return scores
