"""Three ways to one service: a SavedModel on disk, gRPC and REST."""

import base64
import binascii
import re
import urllib.parse
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from maml_tf.serving.results import (
    Overloaded,
    RequestError,
    ServiceError,
    Unreachable,
    error_from,
    not_offered,
)
from maml_tf.serving.saved_model import load_signatures, version_folder

Arrays = dict[str, np.ndarray]
# The output of signatures that have a single one, of which REST leaves out the name.
ONLY_OUTPUT = {
    "embed": "vectors",
    "adapt": "state",
    "generate": "texts",
    "score": "log_likelihoods",
}
FLOATS = dict.fromkeys(
    ("state", "vectors", "probabilities", "log_likelihoods"), "float32"
)
INSTALL = "it comes with `pip install 'maml-tf[serving]'`"
# What gRPC says when there was no connection, apart from what a server may say.
NO_SERVER = re.compile(
    "[Ff]ailed to connect|Connection refused|resolving|resolution failed"
)


class Transport(Protocol):
    """Sends named arrays to a signature and brings its named arrays back."""

    def call(self, signature: str, inputs: Arrays, timeout: float) -> Arrays:
        """Asks once.

        Raises:
            RequestError: if the request is refused.
            Overloaded: if trying again may help.
            Unreachable: if nothing answers at the address.
            ServiceError: if it fails otherwise.
        """

    def close(self) -> None:
        """Lets go of connections."""


class LocalTransport:
    """Runs a SavedModel in this process.

    Args:
        folder: `NAME` or `NAME/VERSION`.
    """

    def __init__(self, folder: str | Path) -> None:
        self.version = version_folder(folder)
        self.signatures = load_signatures(self.version)

    def call(self, signature: str, inputs: Arrays, timeout: float) -> Arrays:
        import tensorflow as tf

        if not self.signatures:
            raise ServiceError("The client is closed; make a new one.")
        if signature not in self.signatures:
            raise not_offered(signature)
        function = self.signatures[signature]
        wanted = function.structured_input_signature[1]
        if set(wanted) != set(inputs):
            raise RequestError(
                f"The signature's inputs are {', '.join(sorted(wanted))}; the request "
                f"has {', '.join(sorted(inputs))}."
            )
        try:
            outputs = function(
                **{name: tf.constant(value) for name, value in inputs.items()}
            )
        except tf.errors.OpError as error:
            raise error_from(code_name(error), error.message) from error
        return {name: value.numpy() for name, value in outputs.items()}

    def close(self) -> None:
        self.signatures = {}


class GrpcTransport:
    """Talks to TF Serving's PredictionService.

    Args:
        address: `host:port`, 8500 as a rule.
        model: the model's name on the server.
        version: a version, or None for the newest.
    """

    def __init__(self, address: str, model: str, version: int | None = None) -> None:
        try:
            import grpc

            from maml_tf.serving import predict_messages
        except ImportError as error:
            raise ImportError(f"gRPC needs grpcio; {INSTALL}.") from error
        self._grpc, self._messages = grpc, predict_messages
        self.address, self.model, self.version = address, model, version
        # An adapted state of all weights is larger than the default of 4 MB.
        unlimited = [
            (f"grpc.max_{way}_message_length", -1) for way in ("send", "receive")
        ]
        self._channel = grpc.insecure_channel(address, unlimited)
        self._predict = self._channel.unary_unary(
            predict_messages.METHOD,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=(
                predict_messages.message("PredictResponse").FromString
            ),
        )

    def call(self, signature: str, inputs: Arrays, timeout: float) -> Arrays:
        request = self._messages.request(self.model, signature, self.version, inputs)
        try:
            response = self._predict(request, timeout=timeout)
            return self._messages.arrays(response.outputs)
        except self._grpc.RpcError as error:
            sentence = error.details() or ""
            if "larger than max" in sentence:  # no repetition would make it smaller
                raise RequestError("The request is larger than is read.") from error
            if error.code().name == "UNAVAILABLE" and NO_SERVER.search(sentence):
                raise Unreachable(_nobody_at(self.address)) from error
            raise error_from(error.code().name, sentence) from error
        except ValueError as error:
            raise ServiceError(f"{self.address} gave no answer to read: {error}") from (
                error
            )

    def close(self) -> None:
        self._channel.close()


class RestTransport:
    """Talks to TF Serving's REST interface.

    Args:
        address: `http://host:port`, 8501 as a rule.
        model: the model's name on the server.
        version: a version, or None for the newest.
    """

    def __init__(self, address: str, model: str, version: int | None = None) -> None:
        try:
            import requests
        except ImportError as error:
            raise ImportError(f"REST needs requests; {INSTALL}.") from error
        self._requests = requests
        self.address = address
        self._session = requests.Session()
        # Kept open for as many threads as are likely to share a client.
        for scheme in ("http://", "https://"):
            adapter = requests.adapters.HTTPAdapter(pool_maxsize=64)
            self._session.mount(scheme, adapter)
        part = "" if version is None else f"/versions/{version}"
        named = urllib.parse.quote(model, safe="")
        self.url = f"{address.rstrip('/')}/v1/models/{named}{part}"

    def call(self, signature: str, inputs: Arrays, timeout: float) -> Arrays:
        body: dict[str, Any] = {
            "signature_name": signature,
            "inputs": {name: to_json(value) for name, value in inputs.items()},
        }
        try:
            response = self._session.post(
                f"{self.url}:predict", json=body, timeout=timeout
            )
        except self._requests.Timeout as error:
            raise ServiceError(f"No answer within {timeout:.1f} s.") from error
        except self._requests.ConnectionError as error:
            if _never_connected(error):
                raise Unreachable(_nobody_at(self.address)) from error
            raise Overloaded(f"{self.url} broke the connection.") from error
        except self._requests.RequestException as error:
            raise ServiceError(f"{self.address} cannot be asked: {error}") from error
        if not response.ok:
            raise error_from(_code_of(response.status_code), _sentence_of(response))
        return self._outputs(signature, response)

    def _outputs(self, signature: str, response: Any) -> Arrays:
        try:
            outputs = response.json()["outputs"]
            if not isinstance(outputs, dict):  # a single output has no name there
                asked = signature.removesuffix("_tasks")
                outputs = {ONLY_OUTPUT.get(asked, "output"): outputs}
            return {
                name: np.asarray(from_json(value), FLOATS.get(name))
                for name, value in outputs.items()
            }
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ServiceError(
                f"{self.url} answered {response.status_code} with what is no answer of "
                f"TF Serving: {response.text[:80]!r}. Is another program at this "
                "address?"
            ) from error

    def close(self) -> None:
        self._session.close()


def _nobody_at(address: str) -> str:
    return (
        f"Nothing answers at {address}; start a server there (training.serve or TF "
        "Serving), or correct host and port."
    )


def _never_connected(error: Any) -> bool:
    """Whether requests failed before there was a connection."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return type(reason).__name__ in ("NewConnectionError", "NameResolutionError")


def code_name(error: Exception) -> str:
    """The status code of a TensorFlow error, as gRPC calls it.

    Example:

    >>> import tensorflow as tf
    >>> code_name(tf.errors.InvalidArgumentError(None, None, "no"))
    'INVALID_ARGUMENT'
    """
    named = type(error).__name__.removesuffix("Error")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", named).upper()


def to_json(value: Any) -> Any:
    """Nested lists; a byte string is text, or `{"b64": …}` where it is not UTF-8."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list):
        return [to_json(part) for part in value] if _holds_bytes(value) else value
    return _string(value)


def from_json(value: Any) -> Any:
    """The inverse of `to_json`: strings become bytes.

    Example:

    >>> from_json(to_json(np.array([b"a", b"\\xff"], object)))
    [b'a', b'\\xff']
    """
    if isinstance(value, list):
        return [from_json(part) for part in value]
    if isinstance(value, dict) and value.keys() == {"b64"}:
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise ValueError(f"{value['b64']!r} is not base64.") from error
    return value.encode() if isinstance(value, str) else value


def _holds_bytes(value: Any) -> bool:
    while isinstance(value, list) and value:
        value = value[0]
    return isinstance(value, bytes)


def _string(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def _code_of(status: int) -> str:
    known = {
        400: "INVALID_ARGUMENT",
        404: "NOT_FOUND",
        413: "INVALID_ARGUMENT",
        429: "RESOURCE_EXHAUSTED",
    }
    return known.get(status, "UNAVAILABLE" if status in (502, 503) else f"HTTP{status}")


def _sentence_of(response: Any) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return response.text[:300]
