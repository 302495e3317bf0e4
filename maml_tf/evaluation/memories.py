"""Memories of a bounded size for a stream of examples."""

import numpy as np


def herd(vectors: np.ndarray, size: int) -> np.ndarray:
    """The examples whose mean stays nearest to the mean of all, best first.

    Herding, as iCaRL chooses its exemplars (Rebuffi et al. 2017, arXiv 1611.07725).

    Args:
        vectors: `[examples, dim]` of one class.
        size: how many are kept; all if there are fewer.

    Returns:
        Their numbers, `[kept]`; the first m of them are the choice of size m.

    Example:

    >>> herd(np.array([[0.0], [1.0], [5.0]]), 2).tolist()
    [1, 2]
    """
    if size < 1:
        raise ValueError(f"A memory holds one example or more, not {size}.")
    mean = vectors.mean(axis=0)
    total, chosen = np.zeros_like(mean), []
    left = np.ones(len(vectors), bool)
    for count in range(1, min(size, len(vectors)) + 1):
        distances = np.linalg.norm((total + vectors) / count - mean, axis=1)
        best = int(np.where(left, distances, np.inf).argmin())
        chosen.append(best)
        left[best] = False
        total = total + vectors[best]
    return np.array(chosen)


class Reservoir:
    """A uniform sample of all that a stream has brought (Vitter's algorithm R).

    Args:
        size: how many examples are held.
        seed: fixes which.

    Attributes:
        held: the numbers of the examples that are held.

    Example:

    >>> reservoir = Reservoir(2, seed=0)
    >>> reservoir.add([10, 11, 12, 13])
    >>> len(reservoir.held)
    2
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        if size < 1:
            raise ValueError(f"A memory holds one example or more, not {size}.")
        self.size, self.held = size, list[int]()
        self._seen, self._random = 0, np.random.default_rng(seed)

    def add(self, numbers: "np.ndarray | list[int]") -> None:
        """Sees more examples."""
        for number in numbers:
            self._seen += 1
            if len(self.held) < self.size:
                self.held.append(int(number))
            elif (place := int(self._random.integers(self._seen))) < self.size:
                self.held[place] = int(number)
