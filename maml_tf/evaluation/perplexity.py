"""How well a language model foretells what people say, before and after adapting.

A person's query dialogues are scored by the mean of `-log p` over the tokens that the
person said; its exponential is the perplexity. People are the independent draws, so
intervals are over people.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from maml_tf.episodes.dialogue_tokens import EncodedDialogues, padded
from maml_tf.evaluation.clusters import student_quantile
from maml_tf.learners import MAML


class PersonaTask(NamedTuple):
    """Places of dialogues of one person: to learn from, and to be judged by."""

    group: str
    support: np.ndarray
    query: np.ndarray


@dataclass(frozen=True)
class Perplexity:
    """The exponential of a mean over people, with its 95 % interval.

    Attributes:
        mean: the perplexity.
        low, high: the interval, Student's on the mean of `-log p`.
        people: of how many.

    Example:

    >>> print(perplexity_of([3.0, 3.2, 3.4]))
    24.5 (14.9 to 40.3)
    """

    mean: float
    low: float
    high: float
    people: int

    def __str__(self) -> str:
        return f"{self.mean:.1f} ({self.low:.1f} to {self.high:.1f})"


def perplexity_of(losses: Sequence[float] | np.ndarray) -> Perplexity:
    """The perplexity of people's mean losses.

    Raises:
        ValueError: for fewer than two people, of which no interval can be had.
    """
    mean, half = mean_and_half_interval(losses)
    return Perplexity(
        math.exp(mean), math.exp(mean - half), math.exp(mean + half), len(losses)
    )


def mean_and_half_interval(
    values: Sequence[float] | np.ndarray,
) -> tuple[float, float]:
    """The mean of people's values and half of its 95 % interval, Student's.

    Raises:
        ValueError: for fewer than two values.

    Example:

    >>> [round(value, 2) for value in mean_and_half_interval([1.0, 2.0, 3.0])]
    [2.0, 2.48]
    """
    array = np.asarray(values, "float64")
    if len(array) < 2:
        raise ValueError(f"An interval needs two people or more, not {len(array)}.")
    spread = array.std(ddof=1) / math.sqrt(len(array))
    return float(array.mean()), student_quantile(len(array) - 1) * float(spread)


def persona_tasks(
    encoded: EncodedDialogues, *, most_support: int, query: int, seed: int = 0
) -> list[PersonaTask]:
    """One task of each person who has more dialogues than are foretold.

    The first K of `support` are the task of K dialogues, so that every K is judged by
    the same queries. Whoever has fewer than `most_support` besides has a shorter one.
    """
    tasks = []
    for place, (group, rows) in enumerate(
        zip(encoded.groups, encoded.rows_of_groups, strict=True)
    ):
        if len(rows) > query:
            drawn = np.random.default_rng((seed, place)).permutation(rows)
            chosen = drawn[query : query + most_support]
            tasks.append(PersonaTask(group, chosen, drawn[:query]))
    return tasks


class PersonaScorer:
    """Mean `-log p` of people's query dialogues under a learner.

    Args:
        learner: a built `MAML` over a causal language model.
        encoded: the dialogues.
        steps: inner steps in all.
    """

    def __init__(self, learner: MAML, encoded: EncodedDialogues, steps: int) -> None:
        self.learner, self.encoded, self.steps = learner, encoded, steps
        # Traced once, for dialogues of any number and length.
        names = ("token_ids", "padding_mask", "places")
        tokens = {name: tf.TensorSpec((1, None, None), tf.int32) for name in names}
        self._adapt = tf.function(
            lambda inputs, weights: learner.adapt(
                inputs, weights, steps=steps, every_step=True
            ),
            input_signature=[tokens, tf.TensorSpec((1, None, None), tf.float32)],
            autograph=False,
        )
        functional = learner.inner_loop.functional
        self._features = tf.function(
            lambda inputs: functional.features(functional.constants(), inputs).outputs,
            input_signature=[tokens],
            autograph=False,
        )
        features = self._features.get_concrete_function().structured_outputs
        like = tf.nest.map_structure(
            lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype),
            (self.start(), features),
        )
        self._predict = tf.function(
            lambda fast, features: (
                functional.predict_features(
                    [fast[name] for name in sorted(fast)],
                    functional.constants(),
                    features,
                ).outputs
            ),
            input_signature=like,
            autograph=False,
        )
        # Layers below the fast weights read a query once, whatever is asked after it.
        self._read: dict[tuple[int, ...], list[tuple[Any, np.ndarray]]] = {}

    def start(self) -> dict[str, tf.Tensor]:
        """The fast weights before any step, for one task."""
        loop = self.learner.inner_loop
        return {
            f"{place:03d}/{v.path}": tf.convert_to_tensor(v.value)[tf.newaxis]
            for place, v in enumerate(loop.fast_variables)
        }

    def adapted(self, support: np.ndarray) -> list[dict[str, tf.Tensor]]:
        """The fast weights after 0, 1, ... `steps` steps on the dialogues `support`."""
        if not self.steps:
            return [self.start()]
        inputs, weights = self.encoded.batch(support[np.newaxis])
        every = self._adapt(_tensors(inputs), tf.constant(weights))
        return [self.start()] + [
            {name: tensor[:, step] for name, tensor in every.items()}
            for step in range(self.steps)
        ]

    def loss(
        self, fast: dict[str, tf.Tensor], task: PersonaTask, context: int = 0
    ) -> float:
        """The loss of the queries under fast weights.

        Args:
            fast: of `adapted`.
            task: whose queries.
            context: how many support dialogues stand before each query.
        """
        case = (*task.query, -1, *task.support[:context])
        if case not in self._read:
            self._read[case] = [
                (self._features(_tensors(inputs)), weights)
                for inputs, weights in self._queries(task, context)
            ]
        total = count = 0.0
        for features, weights in self._read[case]:
            total -= float((self._predict(fast, features).numpy() * weights).sum())
            count += float(weights.sum())
        return total / count

    def _queries(
        self, task: PersonaTask, context: int
    ) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
        """Inputs `[1, texts, ...]` and weights of them."""
        if not context:
            yield self.encoded.batch(task.query[np.newaxis])
            return
        for query in task.query:
            yield behind(self.encoded, task.support[:context], int(query))


def behind(
    encoded: EncodedDialogues, support: np.ndarray, query: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A query dialogue behind support dialogues; the query's tokens alone count.

    Returns:
        Inputs and weights of one text of one task, as of `EncodedDialogues.batch`.
    """
    rows = [*support, query]
    ids = np.concatenate([encoded.token_ids[row] for row in rows])
    own = np.zeros(len(ids), "float32")
    own[len(ids) - len(encoded.own[query]) :] = encoded.own[query]
    inputs, weights = padded([ids], [own])
    return {k: v[np.newaxis] for k, v in inputs.items()}, weights[np.newaxis]


def _tensors(inputs: Any) -> Any:
    return tf.nest.map_structure(tf.constant, inputs)
