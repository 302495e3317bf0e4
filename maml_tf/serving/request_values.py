"""What a value of a request must be: the same rules for JSON and for tensor messages.

An input of a signature has a type and a number of axes; sizes are for the graph to
check. Nothing larger than the request itself is made of a request.
"""

from typing import Any

import numpy as np

from maml_tf.serving.predict_messages import NUMBERS, TYPES, array
from maml_tf.serving.texts import encoded
from maml_tf.serving.transports import from_json

KINDS = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
}


def check_names(given: Any, wanted: Any) -> None:
    """Refuses inputs that lack a name, or have one too many.

    Raises:
        ValueError: naming those that are wanted.
    """
    if set(given) != set(wanted):
        named = ", ".join(sorted(shortened(name) for name in given)) or "none"
        raise ValueError(
            f"The signature's inputs are {', '.join(sorted(wanted))}; the request has "
            f"{named}."
        )


def read_json(name: str, value: Any, spec: Any) -> np.ndarray:
    """The array of a parsed JSON value.

    Args:
        name: of the input.
        value: lists in lists, as deep as the input has axes. Strings, or
            `{"b64": …}`, where it is of strings; numbers where it is of those.
        spec: the `tf.TensorSpec` of the input.

    Raises:
        ValueError: naming the entry that is at fault.

    Example:

    >>> import tensorflow as tf
    >>> texts = tf.TensorSpec([None], tf.string)
    >>> read_json("texts", ["on", {"b64": "YQ=="}], texts).tolist()
    [b'on', b'a']
    >>> read_json("texts", ["on", None], texts)
    Traceback (most recent call last):
    ...
    ValueError: texts[1] has to be a text, not null.
    """
    entries, shape = _flattened(name, value, spec.shape.rank)
    if spec.dtype.name == "string":
        texts = np.empty(len(entries), object)
        texts[:] = [
            _text(entry, _place(name, shape, number))
            for number, entry in enumerate(entries)
        ]
        return texts.reshape(shape)
    allowed = {bool} if spec.dtype.name == "bool" else {int, float}
    if not {*map(type, entries)} <= allowed:
        number = next(n for n, e in enumerate(entries) if type(e) not in allowed)
        raise ValueError(
            f"{_place(name, shape, number)} has to be {KINDS[min(allowed, key=str)]}, "
            f"not {kind_of(entries[number])}."
        )
    if spec.dtype.is_integer:
        broken = [
            number
            for number, entry in enumerate(entries)
            if isinstance(entry, float) and not entry.is_integer()
        ]
        if broken:
            raise ValueError(
                f"{_place(name, shape, broken[0])} has to be a whole number, not "
                f"{entries[broken[0]]}."
            )
    try:
        with np.errstate(over="ignore"):  # infinity, which the graph refuses
            return np.array(entries, spec.dtype.as_numpy_dtype).reshape(shape)
    except (OverflowError, ValueError) as error:
        raise ValueError(
            f"{name} holds a number that is no {spec.dtype.name}."
        ) from error


def read_tensor(name: str, tensor: Any, spec: Any) -> np.ndarray:
    """The array of a TensorProto.

    Args:
        name: of the input.
        tensor: the message.
        spec: the `tf.TensorSpec` of the input.

    Raises:
        ValueError: for another type, other axes, or values that do not fill its shape.

    Example:

    >>> import tensorflow as tf
    >>> spec = tf.TensorSpec([None], tf.float32)
    >>> read_tensor("state", tf.make_tensor_proto([1.0, 2.0]), spec)
    array([1., 2.], dtype=float32)
    """
    numpy_name = "object" if spec.dtype.name == "string" else spec.dtype.name
    if tensor.dtype != NUMBERS[numpy_name]:
        known = TYPES.get(tensor.dtype)
        found = f"{known[0]}s" if known else f"the type {tensor.dtype}"
        found = found.replace("objects", "strings")
        raise ValueError(f"{name} must hold {spec.dtype.name}s, not {found}.")
    axes = len(tensor.tensor_shape.dim)
    if tensor.tensor_shape.unknown_rank or axes != spec.shape.rank:
        raise ValueError(f"{name} must have {spec.shape.rank} axes, not {axes}.")
    return array(tensor, name)


def kind_of(value: Any) -> str:
    """What a JSON value is, in a word or two.

    Example:

    >>> kind_of(None), kind_of({})
    ('null', 'an object')
    """
    return KINDS.get(type(value), "no JSON value")


def shortened(name: Any) -> str:
    """A name that a client gave, fit for a sentence."""
    shown = ascii(name)[1:-1] if isinstance(name, str) else kind_of(name)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _flattened(name: str, value: Any, rank: int) -> tuple[list[Any], list[int]]:
    """The entries of lists in lists, row by row, and the sizes of the axes."""
    level: list[Any] = [value]
    shape: list[int] = []
    for _ in range(rank):
        for number, part in enumerate(level):
            if not isinstance(part, list):
                raise ValueError(
                    f"{_place(name, shape, number)} must be a list, for {name} has "
                    f"{rank} axes; it is {kind_of(part)}."
                )
        sizes = {len(part) for part in level} or {0}
        if len(sizes) > 1:
            raise ValueError(
                f"{name} must be rectangular, but its rows have from {min(sizes)} to "
                f"{max(sizes)} entries."
            )
        shape.append(sizes.pop())
        level = [entry for part in level for entry in part]
    return level, shape


def _place(name: str, shape: list[int], number: int) -> str:
    """What a client calls the entry of a number."""
    places = [str(place) for place in np.unravel_index(number, shape)] if shape else []
    return name + "".join(f"[{place}]" for place in places)


def _text(entry: Any, place: str) -> bytes:
    if isinstance(entry, dict) and entry.keys() == {"b64"}:
        try:
            return from_json(entry)
        except ValueError as error:
            raise ValueError(f"{place} is not base64.") from error
    if not isinstance(entry, str):
        raise ValueError(f"{place} has to be a text, not {kind_of(entry)}.")
    return encoded(entry, place)
