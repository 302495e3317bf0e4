"""What is said where TensorFlow cannot run all tasks of a batch at once."""

import contextlib
import logging
import re
import threading
import warnings
from collections.abc import Iterator

# The names of the operations inside a mapped function, behind which stand the layers
# that made them: "loop_body/sequential/lstm/while/…".
_SCOPES = re.compile(r"loop_body[_\d]*/([\w./-]*\w)")
_OPERATION = re.compile(r'op: "(\w+)"|defined for (\w+)|of op \'(\w+)\'')
# Scopes that TensorFlow and the tape add to those of layers.
_NOT_LAYERS = ("while", "cond", "PartitionedCall", "gradient_tape", "StatefulPart")


class TasksOneByOne(UserWarning):
    """Tasks run one after another though all at once was asked for."""


@contextlib.contextmanager
def kept_log() -> Iterator[list[str]]:
    """Keeps what TensorFlow logs in this thread, where it would fill the screen.

    Yields:
        The messages, as they come.
    """
    messages: list[str] = []
    thread = threading.get_ident()

    def keep(record: logging.LogRecord) -> bool:
        if record.thread != thread:
            return True
        messages.append(record.getMessage())
        return False

    logger = logging.getLogger("tensorflow")
    logger.addFilter(keep)
    try:
        yield messages
    finally:
        logger.removeFilter(keep)


def warn_of_one_by_one(error: Exception, log: list[str]) -> None:
    """Warns, once for each layer, that its tasks run one after another.

    Args:
        error: what TensorFlow said when it was to map them.
        log: what it logged before.

    Example:

    >>> log = ['name: "loop_body/net/lstm/while/exit" op: "ZerosLike"']
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn_of_one_by_one(ValueError(), log)
    >>> print(str(caught[0].message)[:72])
    The layer 'net/lstm' cannot run for all tasks at once: TensorFlow has no
    """
    said = "\n".join([*log, str(error)])
    layer, operation = _layer(said), _OPERATION.search(said)
    named = next(filter(None, operation.groups())) if operation else None
    who = f"The layer {layer!r}" if layer else "The base learner"
    what = f"its operation {named}" if named else "what it does"
    warnings.warn(
        f"{who} cannot run for all tasks at once: TensorFlow has no converter for "
        f"{what}. Its tasks run one after another, which takes about as many times "
        "as long as a batch has tasks and makes the first step slow; the results are "
        "the same. vectorized=False does so for the whole model, without this warning.",
        TasksOneByOne,
        stacklevel=2,
    )


def _layer(said: str) -> str | None:
    """The scopes of layers around an operation that TensorFlow names."""
    for found in _SCOPES.findall(said):
        scopes = found.split("/")
        while scopes and scopes[0].startswith("gradient_tape"):
            scopes = scopes[1:]
        layers = []
        for scope in scopes[:-1]:
            if scope.startswith(_NOT_LAYERS):
                break
            layers.append(scope)
        if layers:
            return "/".join(layers)
    return None
