"""What a client gets back: typed answers, or one of three errors."""

import json
from dataclasses import dataclass

import numpy as np

# How the export's sentence on a state begins that `adapt` can make anew.
OTHER_VERSION = "The state was made by another version of this model"


@dataclass(frozen=True)
class Answers:
    """Answers to query texts.

    Attributes:
        intents: the likeliest class of each query.
        probabilities: `[queries, classes]`.
        in_scope: `[queries]`, whether a query belongs to any of the classes.
        class_names: the class of each column.
        margins: `[queries]`, how far each is above its bot's threshold, in scope from
            zero on; None where the export is older than they are.
    """

    intents: list[str]
    probabilities: np.ndarray
    in_scope: np.ndarray
    class_names: list[str]
    margins: np.ndarray | None = None


@dataclass(frozen=True)
class AdaptedState:
    """What `adapt` learned, for `predict`; opaque, and kept by the client.

    Attributes:
        values: `[floats]`, single precision.
        class_names: in the order that the state knows them.

    Example:

    >>> state = AdaptedState(np.arange(3, dtype="float32"), ["a", "b"])
    >>> AdaptedState.from_bytes(state.to_bytes()).class_names
    ['a', 'b']
    """

    values: np.ndarray
    class_names: list[str]

    def to_bytes(self) -> bytes:
        """The state as bytes to be stored."""
        head = json.dumps(self.class_names).encode()
        return len(head).to_bytes(4, "little") + head + self.values.tobytes()

    @classmethod
    def from_bytes(cls, stored: bytes) -> "AdaptedState":
        """The state that `to_bytes` stored.

        Raises:
            StaleStateError: if these bytes are none that `to_bytes` gave.
        """
        start = 4 + int.from_bytes(stored[:4], "little")
        try:
            names = json.loads(stored[4:start])
            values = np.frombuffer(stored[start:], "float32")
            if not isinstance(names, list):
                raise ValueError("no list of class names")
        except (ValueError, RecursionError) as error:
            raise StaleStateError(
                "The bytes are no state that to_bytes gave; call adapt again."
            ) from error
        return cls(values, names)


class RequestError(ValueError):
    """The service refused the request; sending it again would change nothing."""


class StaleStateError(RequestError):
    """The state was made by another version of the model; `adapt` makes a new one."""


class ServiceError(RuntimeError):
    """The service failed, is not there or took too long."""


class Unreachable(ServiceError):
    """Nothing answers at the address."""


class Overloaded(ServiceError):
    """The service could not take the request now; trying again is safe."""


def sentence_in(message: str) -> str:
    """What an export says in a message of TensorFlow's around it.

    Example:

    >>> sentence_in("x\\nassertion failed: [No text.]\\n\\t [[y]]")
    'No text.'
    """
    marker = "assertion failed: ["
    if marker not in message:
        return message
    sentence = message.split(marker, 1)[1].split("]\n")[0].split("]\\n")[0]
    return sentence.removesuffix("]")


def error_from(code: str, sentence: str) -> Exception:
    """The exception for a status code such as `INVALID_ARGUMENT`.

    Example:

    >>> error_from("INVALID_ARGUMENT", "x\\nassertion failed: [No text.]\\n\\t [[y]]")
    RequestError('No text.')
    """
    sentence = sentence_in(sentence)
    if code in ("INVALID_ARGUMENT", "NOT_FOUND", "OUT_OF_RANGE"):
        kind = StaleStateError if OTHER_VERSION in sentence else RequestError
        return kind(sentence)
    if code in ("UNAVAILABLE", "RESOURCE_EXHAUSTED"):
        return Overloaded(sentence)
    return ServiceError(f"{code}: {sentence}")
