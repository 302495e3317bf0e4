"""Meta-training with every example in turn as the support, over ready inputs."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from maml_tf.episodes import EpisodeSampler
from maml_tf.episodes.dataset import prefetched
from maml_tf.episodes.sampler import large_classes
from maml_tf.learners import RotatingPrototypicalNetwork

from .loop import meta_train
from .rotation_settings import RotationSettings
from .run import Run
from .schedules import warmed_up_cosine

Inputs = Callable[[np.ndarray], Any]


class RotatingEpisodes:
    """One-shot episodes over ready inputs, each a function of its number.

    Args:
        inputs_of: from example numbers to a nest of arrays `[examples, ...]`.
        labels: the class of each example.
        settings: see there.
        groups: of each example, or None; an episode's classes are then of one group,
            the groups taking turns.
        templates: near-duplicates share one; see `EpisodeSampler`.

    Raises:
        SamplingError: if fewer than two classes of a group are large enough.

    Example:

    >>> rows = np.eye(6, dtype="float32")
    >>> labels = np.array([0, 0, 0, 1, 1, 1])
    >>> settings = RotationSettings(examples_per_class=3)
    >>> episodes = RotatingEpisodes(lambda chosen: rows[chosen], labels, settings)
    >>> x, y = next(iter(episodes.batches(0)))
    >>> episodes.ways, x["support_inputs"].shape, y.shape
    (2, TensorShape([1, 2, 6]), TensorShape([1, 4]))
    """

    def __init__(
        self,
        inputs_of: Inputs,
        labels: np.ndarray,
        settings: RotationSettings,
        *,
        groups: np.ndarray | None = None,
        templates: np.ndarray | None = None,
    ) -> None:
        numbers = np.unique(labels, return_inverse=True)[1]
        groups = np.zeros(len(numbers)) if groups is None else np.asarray(groups)
        self.inputs_of = inputs_of
        self.members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
        queries = settings.examples_per_class - 1
        drawn_from = [
            (numbers[rows], None if templates is None else templates[rows])
            for rows in self.members
        ]
        large = [
            large_classes(n, shots=1, queries=queries, templates=t)
            for n, t in drawn_from
        ]
        self.ways = min(settings.ways, *large)
        self.samplers = [
            EpisodeSampler(
                n,
                ways=max(self.ways, 2),  # with fewer the sampler says what is wrong
                shots=1,
                queries=queries,
                seed=settings.seed,
                templates=t,
                drop_small_classes=True,
            )
            for n, t in drawn_from
        ]

    def episode(self, step: int) -> tuple[dict[str, Any], np.ndarray]:
        """The batch of one task with this number."""
        turn = step % len(self.members)
        drawn = self.samplers[turn].sample(step)
        support, query = (
            keras.tree.map_structure(
                lambda a: np.asarray(a)[np.newaxis],
                self.inputs_of(self.members[turn][rows[0]]),
            )
            for rows in (drawn.support, drawn.query)
        )
        x = {
            "support_inputs": support,
            "support_targets": drawn.support_labels,
            "query_inputs": query,
        }
        return x, drawn.query_labels

    def batches(self, start: int) -> tf.data.Dataset:
        """Endless batches from a step's number on, all of the first one's shapes."""

        def generate() -> Iterator[Any]:
            step = start
            while True:
                yield self.episode(step)
                step += 1

        signature = keras.tree.map_structure(
            lambda a: tf.TensorSpec(a.shape, a.dtype), self.episode(0)
        )
        dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
        return prefetched(dataset, 2)


def train_rotating(
    run: Run,
    base_learner: keras.Model,
    episodes: RotatingEpisodes,
    settings: RotationSettings,
    *,
    jit_compile: bool = True,
) -> float:
    """Trains a base learner, from inputs to vectors, in place.

    Args:
        run: keeps the checkpoint; its identity has to hold the settings and what the
            inputs were made of.
        base_learner: with its initial weights.
        episodes: to train on.
        settings: see there.
        jit_compile: whether XLA compiles the step. It pays for a projection; of whole
            layers XLA folds constants for many minutes before the first step.

    Returns:
        Seconds of training, those before a kill included.
    """
    keras.utils.set_random_seed(settings.seed)
    learner = RotatingPrototypicalNetwork(
        base_learner,
        examples_per_class=settings.examples_per_class,
        scale=settings.scale,
        max_ways=episodes.ways,
    )
    schedule = warmed_up_cosine(settings.learning_rate, settings.steps)
    learner.compile(keras.optimizers.Adam(schedule), jit_compile=jit_compile)
    progress = meta_train(run, learner, episodes.batches, steps=settings.steps, part=25)
    return progress.seconds
