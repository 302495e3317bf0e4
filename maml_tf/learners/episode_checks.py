"""One clear sentence for an episode that cannot be learned from, before any work."""

from typing import Any

import numpy as np
import tensorflow as tf

KEYS = ("support_inputs", "support_targets", "query_inputs")


class EpisodeError(ValueError):
    """An episode that does not follow the contract of `MetaLearner`."""


def check_structure(x: Any) -> None:
    """Raises EpisodeError unless `x` is a dict with the three parts of an episode."""
    if not isinstance(x, dict) or any(key not in x for key in KEYS):
        given = sorted(x) if isinstance(x, dict) else type(x).__name__
        raise EpisodeError(
            f"A meta-learner takes a dict with the keys {', '.join(KEYS)}, each with a "
            f"leading task axis; it was given {given}."
        )


def check_values(x: Any, y: Any = None, *, classes: int | None = None) -> None:
    """Checks a batch of episodes whose values are at hand.

    Args:
        x: the episode dict, `[tasks, examples, ...]` throughout.
        y: the query targets, or None.
        classes: how many classes the base learner can tell apart, or None.

    Raises:
        EpisodeError: naming the part that is wrong.

    Example:

    >>> x = {"support_inputs": np.full((1, 2, 1), np.nan),
    ...      "support_targets": np.array([[0, 1]]), "query_inputs": np.ones((1, 1, 1))}
    >>> try:
    ...     check_values(x)
    ... except EpisodeError as error:
    ...     print(error)
    support_inputs holds NaN or infinity; remove or replace those examples.
    """
    check_structure(x)
    parts = {key: tf.nest.flatten(x[key]) for key in KEYS}
    if y is not None:
        parts["query targets"] = tf.nest.flatten(y)
    arrays = {name: [np.asarray(p) for p in part] for name, part in parts.items()}
    tasks = {a.shape[0] if a.ndim else None for part in arrays.values() for a in part}
    if len(tasks) != 1 or None in tasks:
        shapes = {name: [a.shape for a in part] for name, part in arrays.items()}
        raise EpisodeError(f"All parts need the same task axis first, not {shapes}.")
    for inputs, targets in (
        ("support_inputs", "support_targets"),
        ("query_inputs", "query targets"),
    ):
        sizes = {a.shape[1:2] for a in arrays[inputs] + arrays.get(targets, [])}
        if len(sizes) != 1 or sizes & {(), (0,)}:
            raise EpisodeError(
                f"{inputs} and {targets} need the same number of examples, at "
                f"least one, on their second axis, not {sorted(sizes)}."
            )
    for name, part in arrays.items():
        for array in part:
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise EpisodeError(
                    f"{name} holds NaN or infinity; remove or replace those examples."
                )
    targets = arrays["support_targets"][0]
    if targets.dtype.kind in "iu" and targets.ndim == 2:
        _check_labels(targets, arrays.get("query targets", [targets])[0], classes)


def _check_labels(support: np.ndarray, query: np.ndarray, classes: int | None) -> None:
    for task, labels in enumerate(support):
        if len(np.unique(labels)) < 2:
            raise EpisodeError(
                f"The support set of task {task} has one class only, {labels[0]}; "
                "give examples of at least two."
            )
    low, high = min(support.min(), query.min()), max(support.max(), query.max())
    if low < 0 or (classes is not None and high >= classes):
        bound = "" if classes is None else f" to {classes - 1}"
        raise EpisodeError(
            f"Labels must run from 0{bound}, but the episode has {low} to {high}; "
            "relabel them, or make the base learner with more classes."
        )
