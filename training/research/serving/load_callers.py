"""One connection of a client, over REST or gRPC, that says when a request was sent."""

import http.client
import json
import time
from typing import Any, NamedTuple

import numpy as np

from maml_tf.serving.predict_messages import METHOD, arrays, message, request
from training.research.serving.bad_requests import Http

HOST = "127.0.0.1"
SECONDS = 120.0
DTYPES = {
    **dict.fromkeys(("state", "temperature", "top_p"), "float32"),
    **dict.fromkeys(("top_k", "seed", "max_new_tokens"), "int32"),
}
# gRPC cancels what a server that stops has received and not begun.
STATUS = {
    **{"OK": 200, "INVALID_ARGUMENT": 400, "NOT_FOUND": 404},
    **{"UNAVAILABLE": 503, "CANCELLED": 503},
}


class Answer(NamedTuple):
    """A status as HTTP has it, 0 for a broken connection; content or a sentence."""

    status: int
    content: Any
    sent: float


class RestCaller:
    """Keeps one connection, as a browser does."""

    def __init__(self, port: int, model: str) -> None:
        self.path = f"/v1/models/{model}:predict"
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", port, timeout=SECONDS
        )

    def ask(self, signature: str, inputs: dict[str, Any]) -> Answer:
        """Calls a signature."""
        return self.send(Http(self.path, body_of(signature, inputs)))

    def send(self, asked: Http) -> Answer:
        """Sends whatever it is."""
        sent = float("inf")
        try:
            headers = {"Content-Type": "application/json", **asked.headers}
            self._connection.request(asked.method, asked.path, asked.body, headers)
            sent = time.monotonic()
            response = self._connection.getresponse()
            content = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            return Answer(0, repr(error), sent)
        named = content.get("outputs", content.get("error"))
        return Answer(response.status, named, sent)

    def close(self) -> None:
        self._connection.close()


class GrpcCaller:
    """Keeps one channel of its own."""

    def __init__(self, port: int, model: str) -> None:
        import grpc

        self._grpc, self._model = grpc, model
        alone = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        self._channel = grpc.insecure_channel(f"{HOST}:{port}", alone)
        self._predict = self._channel.unary_unary(
            METHOD,
            request_serializer=lambda asked: asked.SerializeToString(),
            response_deserializer=message("PredictResponse").FromString,
        )

    def ask(self, signature: str, inputs: dict[str, Any]) -> Answer:
        """Calls a signature."""
        values = {name: _array(name, value) for name, value in inputs.items()}
        asked = request(self._model, signature, None, values)
        sent = time.monotonic()
        try:
            outputs = arrays(self._predict(asked, timeout=SECONDS).outputs)
        except self._grpc.RpcError as error:
            return Answer(STATUS.get(error.code().name, 500), error.details(), sent)
        found = {name: _plain(value) for name, value in outputs.items()}
        # As REST has it.
        content = next(iter(found.values())) if len(found) == 1 else found
        return Answer(200, content, sent)

    def close(self) -> None:
        self._channel.close()


def body_of(signature: str, inputs: dict[str, Any]) -> bytes:
    """A request over REST."""
    return json.dumps({"signature_name": signature, "inputs": inputs}).encode()


def _array(name: str, value: Any) -> np.ndarray:
    if name in DTYPES:
        return np.array(value, DTYPES[name])
    strings = np.array(value, "S") if value else np.array([], "S")
    return strings.astype(object)


def _plain(value: np.ndarray) -> Any:
    if value.dtype == object:
        return (
            np.vectorize(bytes.decode, otypes=[object])(value).tolist()
            if value.size
            else []
        )
    return value.tolist()
