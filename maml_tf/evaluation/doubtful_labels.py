"""Which taught examples contradict their neighbours: likely mistakes, to point out."""

import numpy as np


def doubtful_labels(
    vectors: np.ndarray, labels: np.ndarray, margin: float = 0.1
) -> np.ndarray:
    """Whether an example is nearer to another class' prototype than to its own.

    Its own prototype is that of the class' other examples, so that no example speaks
    for itself. An only example of its class is never doubtful.

    Args:
        vectors: `[examples, dim]`, of length 1.
        labels: `[examples]`, of any kind.
        margin: by how much the other class' cosine has to be larger.

    Returns:
        `[examples]`, booleans.

    Example:

    >>> vectors = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1], [0, 1]])
    >>> doubtful_labels(vectors, np.array(["a", "a", "a", "b", "b"])).tolist()
    [False, False, True, False, False]
    """
    names, numbers = np.unique(labels, return_inverse=True)
    members = np.eye(len(names))[numbers]
    sums, counts = members.T @ vectors, members.sum(axis=0)
    cosines = vectors @ _unit(sums).T
    own = np.sum(vectors * _unit(sums[numbers] - vectors), axis=1)
    rows = np.arange(len(vectors))
    cosines[rows, numbers] = -np.inf
    if len(names) < 2:
        return np.zeros(len(vectors), bool)
    return (cosines.max(axis=1) > own + margin) & (counts[numbers] > 1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
