"""Tasks out of several corpora, none of which drowns another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maml_tf.episodes.sampler import SamplingError


@dataclass(frozen=True)
class MixtureTask:
    """Rows `[ways, examples]` of a task, a class a line, and its classes `[ways]`."""

    rows: np.ndarray
    classes: np.ndarray


class CorpusMixture:
    """Draws the classes of a task from one of several corpora, or from all of them.

    Each corpus gives as many tasks as another, whatever its size. A task is a function
    of the seed and its number alone.

    Args:
        labels: the class of each row, `[rows]`, numbered over all corpora; rows of -1
            are never drawn.
        corpora: of each row, the number of its corpus.
        ways: classes in a task; fewer where a corpus has fewer.
        examples: rows of each class.
        mixed_share: how many of the tasks, from 0 to 1, take their classes from all
            corpora, the same number from each.
        confusable_share: how many of the others take classes that lie near each other.
        similarities: `[classes, classes]`, for the confusable ones: how near.
        seed: fixes every draw.

    Raises:
        SamplingError: a corpus has no two classes with that many rows, or a share is
            not from 0 to 1.

    Example:

    >>> mixture = CorpusMixture(np.repeat(range(6), 4), np.repeat([0, 1], 12), ways=3,
    ...                         examples=2, mixed_share=0.0)
    >>> task = mixture.sample(0)
    >>> task.rows.shape, set(task.classes.tolist()) <= {0, 1, 2}
    ((3, 2), True)
    """

    def __init__(
        self,
        labels: Sequence[int] | np.ndarray,
        corpora: Sequence[int] | np.ndarray,
        *,
        ways: int,
        examples: int,
        mixed_share: float = 0.0,
        confusable_share: float = 0.0,
        similarities: np.ndarray | None = None,
        seed: int = 0,
    ) -> None:
        for name, share in (
            ("mixed_share", mixed_share),
            ("confusable_share", confusable_share),
        ):
            if not 0 <= share <= 1:
                raise SamplingError(f"{name}={share} has to be from 0 to 1.")
        if confusable_share and similarities is None:
            raise SamplingError("confusable_share needs the classes' similarities.")
        labels, corpora = np.asarray(labels), np.asarray(corpora)
        self.ways, self.examples, self.seed = ways, examples, seed
        self.mixed_share, self.confusable_share = mixed_share, confusable_share
        self.similarities = similarities
        self.rows = {
            int(label): rows
            for label in np.unique(labels[labels >= 0])
            if len(rows := np.flatnonzero(labels == label)) >= examples
        }
        self.classes = [
            np.array([c for c in self.rows if corpora[self.rows[c][0]] == number], int)
            for number in np.unique(corpora)
        ]
        for number, classes in enumerate(self.classes):
            if len(classes) < 2:
                raise SamplingError(
                    f"Corpus {number + 1} has {len(classes)} classes with {examples} "
                    "rows or more, and a task needs two; add rows or lower the number "
                    "of examples."
                )

    def sample(self, index: int) -> MixtureTask:
        """The task with this number."""
        random = np.random.default_rng((self.seed, index))
        if len(self.classes) > 1 and random.random() < self.mixed_share:
            classes = self._mixed(random)
        else:
            own = self.classes[index % len(self.classes)]
            classes = self._of_one(own, random)
        rows = np.stack(
            [
                random.choice(self.rows[int(c)], self.examples, replace=False)
                for c in classes
            ]
        )
        return MixtureTask(rows, classes)

    def _mixed(self, random: np.random.Generator) -> np.ndarray:
        each = max(1, self.ways // len(self.classes))
        return np.concatenate(
            [
                random.choice(own, min(each, len(own)), replace=False)
                for own in self.classes
            ]
        )

    def _of_one(self, own: np.ndarray, random: np.random.Generator) -> np.ndarray:
        ways = min(self.ways, len(own))
        if self.similarities is None or random.random() >= self.confusable_share:
            return random.choice(own, ways, replace=False)
        near = self.similarities[random.choice(own), own]
        # Twice as many as are needed, so that not every such task is the same.
        nearest = own[np.argsort(-near, kind="stable")[: 2 * ways]]
        return random.choice(nearest, ways, replace=False)
