"""What is kept, lost and gained while groups of classes arrive one after another.

All are functions of one table: `accuracies[i, j]` is the accuracy on the questions of
group j after group i has been taught, answered among all classes taught so far; what
comes before a group's arrival, j > i, is NaN.
"""

import numpy as np


def average_accuracy(accuracies: np.ndarray) -> np.ndarray:
    """The mean over the groups so far, after each arrival, `[arrivals]`.

    Raises:
        ValueError: if the table is not square, or a taught group has no accuracy.

    Example:

    >>> average_accuracy(np.array([[0.9, np.nan], [0.7, 0.8]])).tolist()
    [0.9, 0.75]
    """
    table = _checked(accuracies)
    return np.array([row[: i + 1].mean() for i, row in enumerate(table)])


def forgetting(accuracies: np.ndarray) -> float:
    """By how much the groups are below their best, at the end.

    The mean over all groups but the last of max_i a[i, j] - a[last, j] (Chaudhry et al.
    2018, arXiv 1801.10112). More classes to choose from count as forgetting, too: only
    what is above the forgetting of joint training was really forgotten.

    Example:

    >>> table = [[0.8, np.nan, np.nan], [0.9, 0.7, np.nan], [0.6, 0.7, 1.0]]
    >>> round(forgetting(np.array(table)), 3)
    0.15
    """
    table = _checked(accuracies)
    best = np.nanmax(table, axis=0)
    return float(np.mean((best - table[-1])[:-1]))


def backward_transfer(accuracies: np.ndarray) -> float:
    """What later groups did to the earlier ones; below zero where they did harm.

    The mean over all groups but the last of a[last, j] - a[j, j] (Lopez-Paz and Ranzato
    2017, arXiv 1706.08840).

    Example:

    >>> backward_transfer(np.array([[0.5, np.nan], [0.75, 0.8]]))
    0.25
    """
    table = _checked(accuracies)
    return float(np.mean((table[-1] - np.diag(table))[:-1]))


def forward_transfer(within: np.ndarray, alone: np.ndarray) -> float:
    """What earlier groups do for a new one; above zero where they help.

    A label that was never taught cannot be answered, so that accuracy before arrival
    says nothing. Here it is the mean over all groups but the first of w[j] - s[j], both
    answered among the group's own classes.

    Args:
        within: `[arrivals]`, of a group right after its arrival.
        alone: `[arrivals]`, of a learner of the same kind that was taught it alone.

    Example:

    >>> forward_transfer(np.array([0.9, 0.75]), np.array([0.9, 0.5]))
    0.25
    """
    if len(within) != len(alone) or len(within) < 2:
        raise ValueError("Forward transfer needs two groups or more, of both kinds.")
    return float(np.mean(np.asarray(within)[1:] - np.asarray(alone)[1:]))


def _checked(accuracies: np.ndarray) -> np.ndarray:
    table = np.asarray(accuracies, "float64")
    if table.ndim != 2 or table.shape[0] != table.shape[1] or len(table) < 2:
        raise ValueError(
            "Accuracies have to be a square table of two arrivals or more, not "
            f"{table.shape}."
        )
    if np.isnan(table[np.tril_indices(len(table))]).any():
        raise ValueError("A group that has been taught has no accuracy.")
    return table
