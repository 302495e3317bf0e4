"""One clear sentence for an episode that cannot be learned from, before any work."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from maml_tf.learners.target_kinds import TargetKind

KEYS = ("support_inputs", "support_targets", "query_inputs")
# Other keys are a learner's own affair, but for their task axis.
CHECKED = (*KEYS, "unlabelled_inputs", "query targets")


class EpisodeError(ValueError):
    """An episode that does not follow the contract of `MetaLearner`."""


class Expected(NamedTuple):
    """What a learner's episodes have to look like, as far as it is known.

    Attributes:
        inputs: a nest of `keras.KerasTensor` `[examples, ...]`, or None.
        text: the base learner has a preprocessor, which raw strings go through first.
        support: what the inner loss wants of the targets.
        query: what the compiled loss wants of the targets.
    """

    inputs: Any = None
    text: bool = False
    support: TargetKind = TargetKind("any")
    query: TargetKind = TargetKind("any")


class Part(NamedTuple):
    """One tensor of an episode.

    Attributes:
        name: what the user calls it.
        shape: with None where it is not known.
        values: the numbers, or None while a graph is made.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: tf.DType
    values: np.ndarray | None


def check_structure(x: Any) -> None:
    """Raises EpisodeError unless `x` is a dict with the three parts of an episode."""
    if not isinstance(x, dict) or any(key not in x for key in KEYS):
        given = sorted(x) if isinstance(x, dict) else type(x).__name__
        raise EpisodeError(
            f"A meta-learner takes a dict with the keys {', '.join(KEYS)}, each with a "
            f"leading task axis; it was given {given}."
        )


def check_values(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    expected: Expected | None = None,
    may_break: bool = False,
) -> None:
    """Checks a batch of episodes, with its values where they are at hand.

    Args:
        x: the episode dict, `[tasks, examples, ...]` throughout.
        y: the query targets, or None.
        sample_weight: `[tasks]` or `[tasks, query, ...]`, or None.
        expected: what the learner takes.
        may_break: some tasks may hold NaN; training will leave them out.

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
    expected = expected or Expected()
    check_structure(x)
    parts = {key: list(_parts(key, x[key], expected)) for key in x}
    if y is not None:
        parts["query targets"] = list(_parts("query targets", y, expected))
    weights = list(_parts("sample_weight", sample_weight, expected))
    if not all(parts.values()):
        empty = next(name for name, part in parts.items() if not part)
        raise EpisodeError(f"{empty} holds nothing.")
    _check_axes(parts, weights)
    for name in ("support_inputs", "query_inputs"):
        _check_inputs(name, x[name], parts[name], expected.inputs)
    for part in (*weights, *(p for each in parts.values() for p in each)):
        _check_finite(part, may_break)
    kinds = {"support_targets": expected.support, "query targets": expected.query}
    targets = {"support_targets": x["support_targets"], "query targets": y}
    for name, kind in kinds.items():
        if isinstance(targets[name], dict) and kind.outputs is not None:
            raise EpisodeError(
                f"{name} is a dict with the keys {', '.join(map(str, targets[name]))}, "
                "but the base learner has one output; give its targets as one array."
            )
        if len(parts.get(name, ())) == 1:
            check_targets(parts[name][0], kind)
    if expected.query.name == "classes" and expected.query.classes is None:
        _check_known_classes(parts["support_targets"], parts.get("query targets", []))


def check_support(
    inputs: Any, targets: Any, *, expected: Expected | None = None
) -> None:
    """Checks what is given to `adapt`, as `check_values` does for a whole episode."""
    expected = expected or Expected()
    parts = {
        "support_inputs": list(_parts("support_inputs", inputs, expected)),
        "support_targets": list(_parts("support_targets", targets, expected)),
    }
    _check_axes(parts, [])
    _check_inputs("support_inputs", inputs, parts["support_inputs"], expected.inputs)
    if len(parts["support_targets"]) == 1:
        check_targets(parts["support_targets"][0], expected.support, several=False)


def check_targets(part: Part, kind: TargetKind, *, several: bool = True) -> None:
    """Checks targets `[tasks, examples, ...]` against what their loss wants.

    Args:
        part: the targets.
        kind: what the loss wants.
        several: a support set has to have two classes or more.
    """
    if part.dtype == tf.string:
        raise EpisodeError(f"{part.name} holds text; number the classes 0, 1, 2, ….")
    if kind.name == "classes":
        _check_classes(part, kind, several and part.name == "support_targets")
    elif kind.name == "any" and part.dtype.is_integer and len(part.shape) == 2:
        if kind.classes is None or kind.classes > 1:
            _check_classes(part, kind, several and part.name == "support_targets")
    elif kind.name != "any" and kind.outputs is not None:
        _check_target_shape(part, kind)
    if kind.name == "binary" and part.values is not None:
        low, high = part.values.min(), part.values.max()
        if low < 0 or high > 1:
            raise EpisodeError(
                f"{part.name} must be from 0 to 1 for a binary cross-entropy, but has "
                f"{low} to {high}."
            )


def _parts(name: str, given: Any, expected: Expected) -> Iterator[Part]:
    for tensor in tf.nest.flatten(given):
        if tensor is None:
            continue
        kind = type(tensor).__name__
        if isinstance(tensor, (tf.RaggedTensor, tf.SparseTensor)) or (
            type(tensor).__module__.startswith("scipy.sparse")
        ):
            raise EpisodeError(
                f"{name} is a {kind}; give a dense tensor, padded where examples "
                "differ in length."
            )
        if keras.backend.is_keras_tensor(tensor) or (
            tf.is_tensor(tensor) and not hasattr(tensor, "numpy")
        ):
            shape, values = tuple(tensor.shape), None
            dtype = tf.as_dtype(tensor.dtype)
        else:
            values = np.asarray(tensor)
            shape = values.shape
            try:
                dtype = tf.as_dtype(values.dtype)
            except TypeError:
                dtype = None
        if dtype is None or (values is not None and values.dtype.kind == "O"):
            strings = values is not None and all(
                isinstance(v, (str, bytes)) for v in values.flat
            )
            if not strings:
                raise EpisodeError(
                    f"{name} holds Python objects ({kind}), or rows of unequal "
                    "length; give an array of numbers."
                )
            dtype = tf.string
        if dtype.is_complex:
            raise EpisodeError(
                f"{name} holds complex numbers; give their real and imaginary parts "
                "as features."
            )
        if dtype == tf.string and expected.text and name.endswith("inputs"):
            raise EpisodeError(
                f"{name} holds raw text; turn it into tensors with "
                "base_learner.preprocessor(texts) first, and give those a task axis."
            )
        yield Part(name, shape, dtype, values)


def _check_axes(parts: dict[str, list[Part]], weights: list[Part]) -> None:
    """All parts have a task axis, and inputs as many examples as their targets."""
    for part in (p for name in CHECKED for p in parts.get(name, ())):
        if len(part.shape) < 2:
            raise EpisodeError(
                f"{part.name} has the shape {part.shape}, but needs two axes at least, "
                "[tasks, examples, …]; a single task gets its axis by array[None]."
            )
    every = [*weights, *(p for each in parts.values() for p in each)]
    sizes = {part.shape[0] if part.shape else 0 for part in every} - {None}
    if len(sizes) > 1:
        shapes = {p.name: p.shape for p in every}
        raise EpisodeError(f"All parts need the same task axis first, not {shapes}.")
    if sizes == {0}:
        raise EpisodeError("The batch holds no tasks.")
    for inputs, targets in (
        ("support_inputs", "support_targets"),
        ("query_inputs", "query targets"),
    ):
        both = parts.get(inputs, []) + parts.get(targets, [])
        sizes = {part.shape[1] for part in both} - {None}
        if len(sizes) > 1 or 0 in sizes:
            raise EpisodeError(
                f"{inputs} and {targets} need the same number of examples, at "
                f"least one, on their second axis, not {sorted(n or 0 for n in sizes)}."
            )
    for weight in weights:
        queries = parts["query_inputs"][0].shape[1]
        if len(weight.shape) > 1 and weight.shape[1] not in (1, queries, None):
            raise EpisodeError(
                f"sample_weight has the shape {weight.shape}; give a weight for each "
                f"task, or [tasks, query], with {queries} queries here."
            )


def _check_inputs(name: str, given: Any, parts: list[Part], wanted: Any) -> None:
    """Inputs have the structure and the width that the base learner was built for."""
    if wanted is None:
        return
    if isinstance(wanted, dict):
        if not isinstance(given, dict) or not set(wanted) <= set(given):
            keys = sorted(given) if isinstance(given, dict) else type(given).__name__
            raise EpisodeError(
                f"{name} must be a dict with the keys {', '.join(sorted(wanted))}, "
                f"which the base learner takes; it was given {keys}."
            )
        pairs = [(_only(name, given[key]), wanted[key]) for key in sorted(wanted)]
    else:
        flat = keras.tree.flatten(wanted)
        if isinstance(given, dict) and not set(given) <= {t.name for t in flat}:
            raise EpisodeError(
                f"{name} is a dict with the keys {', '.join(map(str, given))}, but the "
                f"base learner takes {len(flat)} without names; give just that."
            )
        if len(flat) != len(parts):
            raise EpisodeError(
                f"{name} holds {len(parts)} tensors, but the base learner takes "
                f"{len(flat)}."
            )
        pairs = list(zip(parts, flat, strict=True))
    for part, tensor in pairs:
        if not _fits(part.shape[2:], tuple(tensor.shape[1:])):
            raise EpisodeError(
                f"{name} has examples of the shape {part.shape[2:]}, but the base "
                f"learner takes {tuple(tensor.shape[1:])}."
            )
        if (part.dtype == tf.string) != (tensor.dtype == "string"):
            kinds = ("numbers", "text")
            raise EpisodeError(
                f"{name} holds {kinds[part.dtype == tf.string]}, but the base learner "
                f"takes {kinds[tensor.dtype == 'string']}."
            )


def _only(name: str, tensor: Any) -> Part:
    (part,) = _parts(name, tensor, Expected())
    return part


def _fits(given: tuple, wanted: tuple) -> bool:
    """Whether shapes agree, up to a last axis of one, which Keras adds or drops."""
    if len(given) == len(wanted) + 1 and given[-1] == 1:
        given = given[:-1]
    elif len(wanted) == len(given) + 1 and wanted[-1] == 1:
        wanted = wanted[:-1]
    return len(given) == len(wanted) and all(
        a is None or b is None or a == b for a, b in zip(given, wanted, strict=True)
    )


def _check_finite(part: Part, may_break: bool) -> None:
    if part.values is None or not part.dtype.is_floating:
        return
    finite = np.isfinite(part.values.astype("float64", copy=False))
    broken = ~finite.all(axis=tuple(range(1, finite.ndim)))
    if broken.all() if may_break and part.name != "sample_weight" else broken.any():
        raise EpisodeError(
            f"{part.name} holds NaN or infinity; remove or replace those examples."
        )


def _check_classes(part: Part, kind: TargetKind, several: bool) -> None:
    shape, classes = part.shape, kind.classes
    if classes == 1:
        raise EpisodeError(
            "A base learner with a single output has nothing to learn from a "
            "cross-entropy over class numbers; compile with another loss, such as "
            "'mse' or keras.losses.BinaryCrossentropy(from_logits=True), or give "
            "inner_loss."
        )
    if len(shape) > 2 and _is_one_hot(part, classes):
        raise EpisodeError(
            f"{part.name} is one-hot, {part.shape}; give class numbers, "
            "np.argmax(targets, -1), or compile with a CategoricalCrossentropy."
        )
    rank = len(shape) if kind.outputs is None else len(kind.outputs) + 1
    if len(shape) == rank + 1 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != rank:
        raise EpisodeError(
            f"{part.name} must be class numbers, one an example, and has the shape "
            f"{part.shape}."
        )
    if part.values is None or not part.values.size:
        return
    labels = part.values.reshape(part.values.shape[: len(shape)])
    if not part.dtype.is_integer and (labels != np.round(labels)).any():
        odd = labels[labels != np.round(labels)][0]
        raise EpisodeError(
            f"{part.name} holds {odd}, which is no class number; give 0, 1, 2, …, or "
            "compile with a loss for other numbers, such as 'mse'."
        )
    if several and labels.ndim == 2:
        for task, row in enumerate(labels):
            if len(np.unique(row)) < 2:
                raise EpisodeError(
                    f"The support set of task {task} has one class only, "
                    f"{int(row[0])}; give examples of at least two."
                )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or (classes is not None and high >= classes):
        bound = "" if classes is None else f" to {classes - 1}"
        raise EpisodeError(
            f"Labels must run from 0{bound}, but {part.name} has {low} to {high}; "
            "relabel them, or make the base learner with more classes."
        )


def _check_known_classes(support: list[Part], query: list[Part]) -> None:
    """A learner without a number of classes has those of the support sets."""
    parts = (*support, *query)
    given = [v for v in (part.values for part in parts) if v is not None and v.size]
    if len(given) != 2:
        return
    known, asked = (int(values.max()) for values in given)
    if asked > known:
        raise EpisodeError(
            f"query targets has the class {asked}, but support_targets ends at "
            f"{known}; give examples of every class that is asked for."
        )


def _is_one_hot(part: Part, classes: int | None) -> bool:
    last = part.shape[-1]
    if last == 1 or (classes is not None and last != classes):
        return False
    if part.values is None:
        return classes is not None
    return bool(
        ((part.values == 0) | (part.values == 1)).all()
        and (part.values.sum(axis=-1) == 1).all()
    )


def _check_target_shape(part: Part, kind: TargetKind) -> None:
    given, wanted = part.shape[2:], kind.outputs or ()
    if kind.name == "one_hot" and len(given) == len(wanted) - 1:
        raise EpisodeError(
            f"{part.name} has the shape {part.shape}, but a categorical cross-entropy "
            f"takes one-hot rows of {wanted[-1]}; give those, or compile with "
            "SparseCategoricalCrossentropy for class numbers."
        )
    if not _fits(given, wanted):
        raise EpisodeError(
            f"{part.name} has targets of the shape {given} for each example, but the "
            f"base learner predicts {wanted}."
        )
