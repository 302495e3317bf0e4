"""Drawing N-way K-shot tasks from labelled rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from maml_tf.episodes.near_duplicates import can_divide, clusters_of, divide

Range = int | tuple[int, int]


class SamplingError(ValueError):
    """Classes or rows too few for the tasks that are asked for."""


@dataclass(frozen=True)
class EpisodeIndices:
    """Row numbers and labels `[tasks, ways * shots]` and `[tasks, ways * queries]`."""

    support: np.ndarray
    support_labels: np.ndarray
    query: np.ndarray
    query_labels: np.ndarray


class EpisodeSampler:
    """Draws batches of tasks, each a function of the seed and its number alone.

    No class stands twice in a task, no row (and no template of a class, and no text) on
    both sides, and labels are permuted anew in every task, without which a meta-learner
    memorises (arXiv 2106.16245).

    Args:
        labels: the class of each row. `EncodedCorpus.labels` know which rows hold the
            same text; such rows never stand on both sides of a task, whatever classes
            they are of.
        ways, shots: numbers, or inclusive ranges drawn once a batch.
        queries: query rows of each class.
        tasks_per_batch: tasks in a batch.
        templates: near-duplicate clusters, or None.
        class_names: names for messages, indexed by label.
        seed: fixes every draw.
        drop_small_classes: leave out classes with too few rows, whose names `left_out`
            then holds, instead of refusing.

    Raises:
        SamplingError: naming the class and its count, or the number of classes.

    Example:

    >>> sampler = EpisodeSampler([0, 0, 1, 1, 2, 2], ways=2, shots=1, queries=1)
    >>> sampler.sample(0).support.shape
    (1, 2)
    """

    def __init__(
        self,
        labels: Sequence[int] | np.ndarray,
        *,
        ways: Range,
        shots: Range,
        queries: int,
        tasks_per_batch: int = 1,
        templates: np.ndarray | None = None,
        class_names: Sequence[str] | None = None,
        seed: int = 0,
        drop_small_classes: bool = False,
    ) -> None:
        self.ways, self.shots = _range("ways", ways, 2), _range("shots", shots, 1)
        self.queries = _range("queries", queries, 1)[0]
        self.tasks, self.seed = tasks_per_batch, seed
        needed = self.shots[1] + self.queries
        self.texts = getattr(labels, "texts", None)
        self.rows: list[np.ndarray] = []
        self.clusters: list[list[np.ndarray] | None] = []
        self.left_out: list[Any] = []
        for label, rows, clusters in _by_class(labels, templates):
            if not _enough(rows, clusters, self.shots[1], self.queries):
                name = class_names[label] if class_names else label
                if drop_small_classes:
                    self.left_out.append(name)
                    continue
                detail = f" in {len(clusters)} groups of like ones" if clusters else ""
                raise SamplingError(
                    f"Class {name!r} has {len(rows)} rows{detail}, but {self.shots[1]} "
                    f"shots and {self.queries} queries need {needed}; add rows, lower "
                    "the numbers, or drop small classes."
                )
            self.rows.append(rows)
            self.clusters.append(clusters)
        if len(self.rows) < self.ways[1]:
            raise SamplingError(
                f"{self.ways[1]} ways need as many classes with {needed} rows each; "
                f"there are {len(self.rows)}."
            )

    def sample(self, index: int) -> EpisodeIndices:
        """The batch of tasks with this number, counted over all epochs."""
        random = np.random.default_rng((self.seed, index))
        ways = int(random.integers(self.ways[0], self.ways[1] + 1))
        shots = int(random.integers(self.shots[0], self.shots[1] + 1))
        tasks = [self._task(random, ways, shots) for _ in range(self.tasks)]
        return EpisodeIndices(*(np.stack(part) for part in zip(*tasks, strict=True)))

    def _task(
        self, random: np.random.Generator, ways: int, shots: int
    ) -> list[np.ndarray]:
        for _ in range(1000):
            chosen = random.choice(len(self.rows), ways, replace=False)
            support, query = zip(
                *(self._class(random, c, shots) for c in chosen), strict=True
            )
            if not self._share_a_text(support, query):
                break
        else:
            raise SamplingError(
                "The classes share so many texts that no task could be drawn in which "
                "none stands on both sides; give each text one label."
            )
        parts = []
        for rows in (support, query):
            labels = np.repeat(np.arange(ways), len(rows[0]))
            order = random.permutation(len(labels))
            parts += [np.concatenate(rows)[order], labels[order].astype("int32")]
        return parts

    def _share_a_text(
        self, support: tuple[np.ndarray, ...], query: tuple[np.ndarray, ...]
    ) -> bool:
        """Whether texts stand on both sides, under labels of different classes."""
        if self.texts is None:
            return False
        sides = (self.texts[np.concatenate(rows)] for rows in (support, query))
        return bool(np.intersect1d(*sides).size)

    def _class(
        self, random: np.random.Generator, label: int, shots: int
    ) -> tuple[np.ndarray, np.ndarray]:
        clusters = self.clusters[label]
        needed = shots + self.queries
        if clusters is None:
            rows = random.choice(self.rows[label], needed, replace=False)
            return rows[:shots], rows[shots:]
        for _ in range(100):
            order = random.permutation(len(clusters))
            sizes = np.cumsum([len(clusters[i]) for i in order])
            total = sizes[-1]
            # Cut where both sides hold enough, anywhere that is possible.
            cuts = np.flatnonzero((sizes >= shots) & (total - sizes >= self.queries))
            if len(cuts):
                cut = int(random.choice(cuts)) + 1
                sides = order[:cut].tolist(), order[cut:].tolist()
                break
        else:
            # Few divisions are possible, so that chance does not find them.
            lengths = [len(cluster) for cluster in clusters]
            sides = divide(lengths, shots, self.queries, random)
        support, query = (
            random.choice(
                np.concatenate([clusters[i] for i in side]), count, replace=False
            )
            for side, count in zip(sides, (shots, self.queries), strict=True)
        )
        return support, query


def large_classes(
    labels: Sequence[int] | np.ndarray,
    *,
    shots: int,
    queries: int,
    templates: np.ndarray | None = None,
) -> int:
    """How many classes have rows enough for a task; the rule of `EpisodeSampler`.

    Example:

    >>> large_classes([0, 0, 1, 1, 2], shots=1, queries=1)
    2
    """
    return sum(
        _enough(rows, clusters, shots, queries)
        for _, rows, clusters in _by_class(labels, templates)
    )


def _by_class(
    labels: Sequence[int] | np.ndarray, templates: np.ndarray | None
) -> Iterator[tuple[Any, np.ndarray, list[np.ndarray] | None]]:
    """Each label with its rows, and those in clusters where some belong together."""
    texts = getattr(labels, "texts", None)
    labels = np.asarray(labels)
    for label in np.unique(labels):
        rows, clusters = np.flatnonzero(labels == label), None
        same = None if texts is None else np.asarray(texts)[rows]
        if same is not None and len(np.unique(same)) == len(same):
            same = None
        marks = None if templates is None else np.asarray(templates)[rows]
        if same is not None:
            marks = clusters_of(marks, same)
        if marks is not None:
            clusters = [rows[marks == mark] for mark in np.unique(marks)]
        yield label, rows, clusters


def _enough(
    rows: np.ndarray, clusters: list[np.ndarray] | None, shots: int, queries: int
) -> bool:
    if clusters is None:
        return len(rows) >= shots + queries
    return can_divide([len(cluster) for cluster in clusters], shots, queries)


def _range(name: str, value: Range, least: int) -> tuple[int, int]:
    low, high = value if isinstance(value, tuple) else (value, value)
    if not least <= low <= high:
        raise SamplingError(
            f"{name}={value!r} must be {least} or more, or a range of such."
        )
    return low, high
