"""Which rows must never stand on both sides of a task, and how a class is divided."""

from typing import Any

import numpy as np


class TextLabels(np.ndarray):
    """Labels that know which of their rows hold the same text.

    An array like any other; a sampler that is given it finds `texts`, a number for
    each row that rows of the same text share.

    Example:

    >>> labels = TextLabels.of([0, 1], texts=[7, 7])
    >>> labels.tolist(), labels.texts.tolist(), labels[:1].texts
    ([0, 1], [7, 7], None)
    """

    texts: np.ndarray | None

    @classmethod
    def of(cls, labels: Any, texts: Any) -> "TextLabels":
        found = np.asarray(labels).view(cls)
        found.texts = np.asarray(texts)
        return found

    def __array_finalize__(self, original: Any) -> None:
        # What is cut or computed from the labels has other rows.
        self.texts = None


def clusters_of(*marks: np.ndarray | None) -> np.ndarray | None:
    """A number for each row, shared by rows that any of the marks ties together.

    Args:
        marks: arrays `[rows]`; rows of equal value belong together.

    Returns:
        The numbers, or None where no two rows are tied.

    Example:

    >>> clusters_of(np.array([1, 1, 2, 3]), np.array([5, 6, 6, 8])).tolist()
    [0, 0, 0, 3]
    """
    given = [mark for mark in marks if mark is not None]
    if not given:
        return None
    parent = list(range(len(given[0])))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for mark in given:
        first: dict[Any, int] = {}
        for row, value in enumerate(mark.tolist()):
            other = first.setdefault(value, row)
            left, right = sorted((root(other), root(row)))
            parent[right] = left
    return np.array([root(row) for row in range(len(parent))])


def can_divide(sizes: list[int], shots: int, queries: int) -> bool:
    """Whether whole clusters can be put on two sides that hold enough rows each.

    Example:

    >>> can_divide([2, 2, 2], 3, 3), can_divide([3, 1], 1, 3)
    (False, True)
    """
    return bool(_sums(sizes)[-1] & _wanted(sum(sizes), shots, queries))


def divide(
    sizes: list[int], shots: int, queries: int, random: np.random.Generator
) -> tuple[list[int], list[int]]:
    """Clusters for the support and for the query side, at random where possible.

    Args:
        sizes: rows of each cluster, of which `can_divide` is true.
        shots, queries: rows that the sides must hold.
        random: where the draw comes from.

    Returns:
        The numbers of the clusters on each side.

    Example:

    >>> divide([3, 1], 1, 3, np.random.default_rng(0))
    ([1], [0])
    """
    order = random.permutation(len(sizes))
    shuffled = [sizes[i] for i in order]
    sums = _sums(shuffled)
    possible = sums[-1] & _wanted(sum(sizes), shots, queries)
    totals = [n for n in range(possible.bit_length()) if possible >> n & 1]
    rest = int(random.choice(totals))
    support, query = [], []
    for place in reversed(range(len(shuffled))):
        # Whether the clusters before this one can make up the rest with or without it.
        with_it = rest >= shuffled[place] and sums[place] >> rest - shuffled[place] & 1
        without = sums[place] >> rest & 1
        if with_it and (not without or random.random() < 0.5):
            support.append(int(order[place]))
            rest -= shuffled[place]
        else:
            query.append(int(order[place]))
    return support, query


def _sums(sizes: list[int]) -> list[int]:
    """For each number of clusters, which sums subsets of the first of them have."""
    sums = [1]
    for size in sizes:
        sums.append(sums[-1] | sums[-1] << size)
    return sums


def _wanted(total: int, shots: int, queries: int) -> int:
    """A bit for each number of support rows that leaves both sides enough."""
    if total < shots + queries:
        return 0
    return (1 << total - queries + 1) - (1 << shots)
