"""What is read of the named outputs of a service."""

from typing import Any

import numpy as np

from maml_tf.serving.results import ServiceError


def named_output(outputs: dict[str, np.ndarray], name: str) -> np.ndarray:
    """An output.

    Raises:
        ServiceError: if there is none of this name.
    """
    if name not in outputs:
        raise ServiceError(
            f"The answer holds no {name}; is the model an export of this package?"
        )
    return outputs[name]


def decoded(strings: Any) -> list[str]:
    """Strings, which gRPC and folders give as bytes.

    Example:

    >>> decoded([b"hi", "you"])
    ['hi', 'you']
    """
    return [s.decode() if isinstance(s, bytes) else str(s) for s in np.asarray(strings)]
