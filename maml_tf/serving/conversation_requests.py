"""Dialogues and conversations as the inputs of a request; needs no TensorFlow."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from maml_tf.serving.results import AdaptedState, RequestError
from maml_tf.serving.texts import encoded_texts


def strings(texts: Any, name: str) -> np.ndarray:
    """Texts as an array of bytes.

    Raises:
        TypeError: if they are no list.
        RequestError: naming the entry that is no text.

    Example:

    >>> strings(["hi"], "turns")
    array([b'hi'], dtype=object)
    """
    encoded = encoded_texts(texts, name)
    array = np.empty(len(encoded), object)
    array[:] = encoded
    return array


def dialogues_array(dialogues: Sequence[Sequence[str]]) -> np.ndarray:
    """Dialogues as bytes `[dialogues, turns]`, shorter ones filled up with "".

    Raises:
        TypeError: if they are no list of lists.
        RequestError: naming what is no text or empty.

    Example:

    >>> dialogues_array([["hi", "hello"], ["hi", "yes", "so", "no"]]).tolist()
    [[b'hi', b'hello', b'', b''], [b'hi', b'yes', b'so', b'no']]
    """
    if isinstance(dialogues, (str, bytes)):
        raise TypeError("Give a list of dialogues, each a list of turns.")
    rows = [strings(turns, f"dialogues[{n}]") for n, turns in enumerate(dialogues)]
    for number, row in enumerate(rows):
        empty = [place for place, turn in enumerate(row) if not turn]
        if empty:
            raise RequestError(
                f"dialogues[{number}] has an empty turn, number {empty[0] + 1}; leave "
                "it out or write something there."
            )
    array = np.full((len(rows), max(map(len, rows), default=0)), b"", object)
    for number, row in enumerate(rows):
        array[number, : len(row)] = row
    return array


def state_values(state: AdaptedState | None) -> np.ndarray:
    """The numbers of a state, as `learned_values`; a single 0 stands for none."""
    return np.zeros(1, "float32") if state is None else learned_values(state)


def learned_values(state: AdaptedState) -> np.ndarray:
    """The numbers of a state.

    Raises:
        TypeError: if it is no state.
        RequestError: if it holds NaN or infinity.
    """
    if not isinstance(state, AdaptedState):
        raise TypeError(
            f"state has to be what adapt returned, not a {type(state).__name__}."
        )
    values = np.asarray(state.values, "float32")
    if not np.isfinite(values).all():
        raise RequestError("The state holds NaN or infinity; call adapt again.")
    return values


def sampling_inputs(
    temperature: float,
    top_k: int,
    top_p: float,
    seed: int,
    max_new_tokens: int,
) -> dict[str, np.ndarray]:
    """How a reply is drawn, as scalars.

    Raises:
        RequestError: naming what is no number, or no whole one of 32 bits.
    """
    whole = {"top_k": top_k, "seed": seed, "max_new_tokens": max_new_tokens}
    limits = np.iinfo("int32")
    for name, value in whole.items():
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
            raise RequestError(f"{name} has to be a whole number, not {value!r}.")
        if not limits.min <= value <= limits.max:
            raise RequestError(f"{name} has to be from {limits.min} to {limits.max}.")
    for name, number in {"temperature": temperature, "top_p": top_p}.items():
        if not isinstance(number, (int, float, np.number)) or isinstance(number, bool):
            raise RequestError(f"{name} has to be a number, not {number!r}.")
    # JSON has no name for them.
    if not np.isfinite([temperature, top_p]).all():
        raise RequestError("temperature and top_p have to be finite numbers.")
    return {
        "temperature": np.array(temperature, "float32"),
        "top_p": np.array(top_p, "float32"),
        **{name: np.array(value, "int32") for name, value in whole.items()},
    }
