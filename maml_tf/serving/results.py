"""What a client gets back: typed answers, or one of three errors."""

import json
import re
from dataclasses import dataclass

import numpy as np

# So many numbers of a state say what it is, before what was learned.
STATE_HEADER = 8
# How the export's sentence on a state begins that `adapt` can make anew.
OTHER_VERSION = "The state was made by another version of this model"
# What this server, and TF Serving, say of a signature that an export does not have.
_NO_SIGNATURE = re.compile("no signature|[Ss]ignature.* not found")


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

    @property
    def fingerprint(self) -> tuple[int, ...]:
        """Names the version of the model that made it, as `ExampleTexts` does."""
        return tuple(int(number) for number in self.values[1:4])

    def to_bytes(self) -> bytes:
        """The state as bytes to be stored, half as many where that loses nothing."""
        values = np.asarray(self.values, "float32")
        with np.errstate(over="ignore"):
            half = values[STATE_HEADER:].astype("float16")
        if half.size and np.array_equal(half.astype("float32"), values[STATE_HEADER:]):
            head = json.dumps({"half": self.class_names}).encode()
            stored = values[:STATE_HEADER].tobytes() + half.tobytes()
        else:
            head, stored = json.dumps(self.class_names).encode(), values.tobytes()
        return len(head).to_bytes(4, "little") + head + stored

    @classmethod
    def from_bytes(cls, stored: bytes) -> "AdaptedState":
        """The state that `to_bytes` stored.

        Raises:
            StaleStateError: if these bytes are none that `to_bytes` gave.
        """
        start = 4 + int.from_bytes(stored[:4], "little")
        try:
            names = json.loads(stored[4:start])
            if isinstance(names, dict):
                names, middle = names["half"], start + 4 * STATE_HEADER
                half = np.frombuffer(stored[middle:], "float16").astype("float32")
                head = np.frombuffer(stored[start:middle], "float32")
                values = np.concatenate([head, half])
            else:
                values = np.frombuffer(stored[start:], "float32")
            if not isinstance(names, list):
                raise ValueError("no list of class names")
        except (ValueError, KeyError, RecursionError) as error:
            raise StaleStateError(
                "The bytes are no state that to_bytes gave; call adapt again."
            ) from error
        return cls(values, names)


@dataclass(frozen=True)
class ExampleTexts:
    """What a model reads of a bot's examples, in the order in which it reads them.

    Attributes:
        texts: the examples, and names of intents where those are examples too.
        numbers: `[texts]`, the intent of each, an index into `class_names`; beyond
            them for a negative example.
        class_names: the intents.
        fingerprint: names the model's version; vectors of another are of no use.
    """

    texts: list[str]
    numbers: np.ndarray
    class_names: list[str]
    fingerprint: tuple[int, ...]


class RequestError(ValueError):
    """The service refused the request; sending it again would change nothing."""


class StaleStateError(RequestError):
    """The state was made by another version of the model; `adapt` makes a new one."""


class NotStored(RequestError):
    """The store could not take it: a full disk, or a file that is held or damaged."""


class NotOffered(RequestError):
    """The export has no such signature; it is older, or its learner has no use."""


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
    >>> sentence_in("assertion failed: [The model\\\\'s state.]")
    "The model's state."
    """
    marker = "assertion failed: ["
    if marker not in message:
        return message
    sentence = message.split(marker, 1)[1].split("]\n")[0].split("]\\n")[0]
    # TensorFlow writes a string as C would.
    for quote in "'", '"':
        sentence = sentence.replace(f"\\{quote}", quote)
    return sentence.removesuffix("]")


def error_from(code: str, sentence: str) -> Exception:
    """The exception for a status code such as `INVALID_ARGUMENT`.

    Example:

    >>> error_from("INVALID_ARGUMENT", "x\\nassertion failed: [No text.]\\n\\t [[y]]")
    RequestError('No text.')
    >>> error_from("CANCELLED", "CANCELLED")
    Overloaded('CANCELLED')
    """
    sentence = sentence_in(sentence)
    if _NO_SIGNATURE.search(sentence):
        return NotOffered(sentence)
    if code in ("INVALID_ARGUMENT", "NOT_FOUND", "OUT_OF_RANGE"):
        kind = StaleStateError if OTHER_VERSION in sentence else RequestError
        return kind(sentence)
    # gRPC cancels what a server that stops has received and not begun.
    if code in ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"):
        return Overloaded(sentence)
    return ServiceError(f"{code}: {sentence}")


def not_offered(signature: str) -> NotOffered:
    """The error of a signature that an export does not have."""
    return NotOffered(
        f"The export has no signature {signature}; export its learner again, or ask "
        "what it offers."
    )
