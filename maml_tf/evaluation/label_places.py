"""Where to write labels so that none hides another."""

import numpy as np

ROUNDS = 200


def places_apart(points: np.ndarray, distance: float) -> np.ndarray:
    """Places near some points, each at least a distance from every other.

    Pairs that are too near are pushed apart along the line between them, again and
    again; what stands alone stays where it is.

    Args:
        points: `[points, 2]`.
        distance: in the points' unit.

    Returns:
        `[points, 2]`; where hundreds are in one place some may be nearer.

    Example:

    >>> points = np.array([[0.0, 0.0], [1.0, 0.0], [9.0, 9.0]])
    >>> places_apart(points, 2.0).round(2).tolist()
    [[-0.5, 0.0], [1.5, 0.0], [9.0, 9.0]]
    """
    places = np.array(points, "float64")
    # Points in one place have no line between them.
    turns = np.arange(len(places)) * 2.4
    start = np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    for _ in range(ROUNDS):
        apart = places[:, np.newaxis] - places
        far = np.linalg.norm(apart, axis=-1)
        np.fill_diagonal(far, np.inf)
        if far.min(initial=np.inf) >= distance * (1 - 1e-6):
            break
        same = far < 1e-9 * distance
        apart[same] = (start[:, np.newaxis] - start)[same]
        length = np.maximum(np.linalg.norm(apart, axis=-1, keepdims=True), 1e-12)
        push = np.maximum(distance - np.where(same, 0, far), 0)[..., np.newaxis] / 2
        places = places + (apart / length * push).sum(axis=1)
    return places
