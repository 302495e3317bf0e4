"""The Omniglot table: 28 x 28 images, the split of Vinyals et al., four conv blocks."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from maml_tf import MAML, MetaLearner, PrototypicalNetwork
from maml_tf.base_learners import create_conv_net
from maml_tf.episodes.omniglot import image_episodes, read_omniglot
from maml_tf.evaluation import mean_with_interval
from maml_tf.evaluation.transduction import predict_without_transduction
from training.reproduction.rows import Row

FILTERS = 64
SETTINGS = {"5-way 1-shot": (5, 1), "5-way 5-shot": (5, 5), "20-way 1-shot": (20, 1)}
QUERIES = 5


def strided_net(classes: int) -> keras.Model:
    """MAML's net: strides of 2, batch statistics in training and in test."""
    return create_conv_net(classes, filters=FILTERS, convolution="native")


def pooled_encoder() -> keras.Model:
    """The encoder of prototypical networks: max-pooling, moving averages in test."""
    net = create_conv_net(
        filters=FILTERS,
        batch_statistics=False,
        downsample="max_pool",
        convolution="native",
    )
    return keras.Model(net.inputs, net.get_layer("features").output)


def rows(data_dir: str, seed: int, meta_steps: int | None, episodes: int) -> list[Row]:
    """The rows of the table; `episodes` test episodes each."""

    @cache
    def data(split: str):
        return read_omniglot(Path(data_dir), split)

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

    def evaluation(*settings: str, transductive: bool) -> Callable:
        return lambda learner: {
            setting: _score(
                learner, data("test"), setting, transductive, seed, episodes
            )
            for setting in settings
        }

    def prototypical() -> MetaLearner:
        learner = PrototypicalNetwork(pooled_encoder(), scale=1 / 64)
        learner.compile(_annealed_adam(2e-3, prototypical_steps), jit_compile=False)
        return learner

    def maml(ways: int, steps: int) -> Callable[[], MetaLearner]:
        def make():
            learner = MAML(
                strided_net(ways),
                inner_steps=1,
                inner_learning_rate=0.4,
                vectorized=False,
            )
            # XLA's convolutions are several times slower on a CPU.
            learner.compile(_annealed_adam(1e-3, steps), jit_compile=False)
            return learner

        return make

    prototypical_steps = meta_steps or 2000
    maml_steps = meta_steps or 4000
    return [
        Row(
            "ProtoNet",
            prototypical,
            prototypical_steps,
            training(20, 1, 5, 1),
            evaluation(*SETTINGS, transductive=False),
            {
                "tasks": "1 of 20 ways, 1 shot, 5 queries; the paper's have 60 ways",
                "normalisation": "moving averages: no transduction",
            },
            {"5-way 1-shot": 98.8, "5-way 5-shot": 99.7, "20-way 1-shot": 96.0},
        ),
        Row(
            "MAML",
            maml(5, maml_steps),
            maml_steps,
            training(5, 1, 5, 8),
            evaluation("5-way 1-shot", transductive=True),
            {
                "tasks": "8 of 5 ways, 1 shot, 5 queries; the paper has 32 and 60000 "
                "meta-steps",
                "normalisation": "statistics of the batch: transductive",
            },
            {"5-way 1-shot": 98.7},
        ),
    ]


def _annealed_adam(rate: float, steps: int) -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps))


def _score(
    learner: MetaLearner,
    data: Any,
    setting: str,
    transductive: bool,
    seed: int,
    episodes: int,
) -> dict[str, float]:
    """Accuracy in per cent with its interval, after 3 inner steps where there are any.

    With `transductive`, the same episodes are also run one query at a time.
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
    steps = {"steps": 3} if isinstance(learner, MAML) else {}

    def together(x):
        fast = learner.adapt(x["support_inputs"], x["support_targets"], **steps)
        return learner.predict_adapted(fast, x["query_inputs"])

    ways_to_predict = {"accuracy": together}
    if transductive:
        ways_to_predict["accuracy_one_query_at_a_time"] = lambda x: (
            predict_without_transduction(learner, x)
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
