"""Why a request is refused: one status and one sentence, over REST and gRPC alike."""

import logging
from typing import Any

import tensorflow as tf

from maml_tf.first_line import first_line
from maml_tf.serving.results import sentence_in
from maml_tf.serving.served_versions import NotServed
from maml_tf.serving.transports import code_name

# By the names that gRPC has for them.
HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "OUT_OF_RANGE": 400,
    "FAILED_PRECONDITION": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
}
log = logging.getLogger(__name__)


def refusal(error: Exception) -> tuple[str, str]:
    """The status, as gRPC calls it, and the sentence that an error is answered with.

    What is no fault of the request is logged.

    Example:

    >>> refusal(ValueError("texts must be a list."))
    ('INVALID_ARGUMENT', 'texts must be a list.')
    """
    if isinstance(error, NotServed):
        return "NOT_FOUND", str(error)
    if isinstance(error, RecursionError):
        return "INVALID_ARGUMENT", "The request is nested too deeply."
    if isinstance(error, ValueError):
        return "INVALID_ARGUMENT", str(error)
    if isinstance(error, (MemoryError, tf.errors.ResourceExhaustedError)):
        return "RESOURCE_EXHAUSTED", "The server has no memory left for this request."
    if isinstance(error, tf.errors.OpError):
        code = code_name(error)
        if code in HTTP_STATUS:
            return code, sentence_in(first_paragraph(error))
    log.error("A request failed.", exc_info=error)
    return "INTERNAL", f"The server failed; its log says why ({first_line(error)})."


def first_paragraph(error: Any) -> str:
    """What an operation says, without where in the graph it stands."""
    message = str(error.message)
    return message if "assertion failed: [" in message else message.split("\n")[0]
