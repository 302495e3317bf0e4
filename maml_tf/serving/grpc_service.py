"""TF Serving's gRPC interface: Predict, GetModelMetadata and GetModelStatus."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)

from maml_tf.serving import http_stop
from maml_tf.serving.http_stop import Stop
from maml_tf.serving.limits import LARGEST_REQUEST
from maml_tf.serving.metrics import Metrics
from maml_tf.serving.refusals import refusal
from maml_tf.serving.request_values import read_tensor, shortened
from maml_tf.serving.served_versions import NotServed, ServedVersions

# gRPC sends an answer after the call that made it has ended.
LAST_MESSAGES_SECONDS = 0.5


class GrpcServer:
    """Answers gRPC requests from the start on.

    Args:
        versions: what is served.
        metrics: where answers are counted.
        address: `host:port`; port 0 takes a free one.
        threads: requests that are worked on at once; others wait, and beyond 32 a
            thread they are refused with RESOURCE_EXHAUSTED, as larger ones than
            `LARGEST_REQUEST` are.
        stop: once it says so, calls that wait are refused as UNAVAILABLE.

    Attributes:
        port: where it listens.
    """

    def __init__(
        self,
        versions: ServedVersions,
        metrics: Metrics,
        address: str,
        threads: int,
        stop: Stop,
    ) -> None:
        self._pool = _CountingPool(threads)
        self._server = grpc.server(
            self._pool,
            options=[
                ("grpc.max_send_message_length", -1),
                ("grpc.max_receive_message_length", LARGEST_REQUEST),
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=32 * threads,
        )
        asked = _Asked(versions)
        predict = predict_pb2.PredictRequest, asked.predict
        metadata = get_model_metadata_pb2.GetModelMetadataRequest, asked.metadata
        status = get_model_status_pb2.GetModelStatusRequest, asked.status
        self._server.add_generic_rpc_handlers(
            [
                _service(
                    "PredictionService",
                    metrics,
                    stop,
                    Predict=predict,
                    GetModelMetadata=metadata,
                ),
                _service("ModelService", metrics, stop, GetModelStatus=status),
            ]
        )
        self.port = self._server.add_insecure_port(address)
        self._server.start()

    def take_no_more(self, patience: float) -> None:
        """Refuses new calls; those that have come go on, for `patience` seconds."""
        self._server.stop(patience)

    def wait(self, seconds: float) -> bool:
        """Waits until all calls are answered; False if some are not by then."""
        return self._pool.wait_until_idle(seconds)

    def close(self) -> None:
        """Lets go of connections, those too that have never asked anything."""
        self._server.stop(LAST_MESSAGES_SECONDS).wait()


class _CountingPool(ThreadPoolExecutor):
    """Threads that know when nothing is left for them to do."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._left = 0
        self._changed = threading.Condition()

    def submit(self, *work: Any, **options: Any) -> Any:
        with self._changed:
            self._left += 1
        future = super().submit(*work, **options)
        future.add_done_callback(self._done)
        return future

    def _done(self, future: Any) -> None:
        with self._changed:
            self._left -= 1
            self._changed.notify_all()

    def wait_until_idle(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._left, seconds)


def _service(
    name: str,
    metrics: Metrics,
    stop: Stop,
    **methods: tuple[Any, Callable[[Any], Any]],
) -> Any:
    """A service whose methods answer whatever comes, with a status and a sentence."""
    return grpc.method_handlers_generic_handler(
        f"tensorflow.serving.{name}",
        {
            method: grpc.unary_unary_rpc_method_handler(
                _answering(kind, answer, metrics, stop),
                response_serializer=lambda message: message.SerializeToString(),
            )
            for method, (kind, answer) in methods.items()
        },
    )


def _answering(
    kind: Any, answer: Callable[[Any], Any], metrics: Metrics, stop: Stop
) -> Callable[[bytes, Any], Any]:
    # Bytes that are no message are read here: gRPC would call them a fault of ours.
    def handle(request: bytes, context: Any) -> Any:
        begin = time.monotonic()
        code, sentence, found = "OK", "", None
        try:
            if stop.refuses:
                raise tf.errors.UnavailableError(None, None, http_stop.SENTENCE)
            found = answer(kind.FromString(request))
        except DecodeError:
            code, sentence = "INVALID_ARGUMENT", f"This is no {kind.__name__}."
        except Exception as error:
            code, sentence = refusal(error)
        seconds = time.monotonic() - begin
        metrics.answered("grpc", answer.__name__, code, seconds)
        if code != "OK":
            context.abort(grpc.StatusCode[code], sentence)  # which raises
        return found

    return handle


class _Asked:
    """What the methods answer."""

    def __init__(self, versions: ServedVersions) -> None:
        self.versions = versions

    def predict(self, request: Any) -> Any:
        version = self._version(request.model_spec)
        outputs, number = self.versions.run(
            request.inputs, read_tensor, request.model_spec.signature_name, version
        )
        for name in request.output_filter:
            if name not in outputs:
                raise ValueError(
                    f"There is no output {shortened(name)!r}; there are "
                    f"{', '.join(sorted(outputs))}."
                )
        response = predict_pb2.PredictResponse()
        response.model_spec.CopyFrom(request.model_spec)
        response.model_spec.version.value = number
        for name in set(request.output_filter) or outputs.keys():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(outputs[name]))
        return response

    def metadata(self, request: Any) -> Any:
        version = self._version(request.model_spec)
        if list(request.metadata_field) != ["signature_def"]:
            raise ValueError("Ask for the field signature_def.")
        with self.versions.signature("", version) as (_, number):
            held = self.versions.signatures(number)
        described = get_model_metadata_pb2.SignatureDefMap()
        for name, function in held.items():
            signature = described.signature_def[name]
            signature.method_name = "tensorflow/serving/predict"
            for infos, specs in (
                (signature.inputs, function.structured_input_signature[1]),
                (signature.outputs, function.structured_outputs),
            ):
                for key, spec in specs.items():
                    info = meta_graph_pb2.TensorInfo(
                        name=key,
                        dtype=spec.dtype.as_datatype_enum,
                        tensor_shape=spec.shape.as_proto(),
                    )
                    infos[key].CopyFrom(info)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = self.versions.name
        response.model_spec.version.value = number
        response.metadata["signature_def"].Pack(described)
        return response

    def status(self, request: Any) -> Any:
        version = self._version(request.model_spec)
        response = get_model_status_pb2.GetModelStatusResponse()
        for number, state, error in self.versions.status():
            if version in (None, number):
                one = response.model_version_status.add(version=number)
                one.state = get_model_status_pb2.ModelVersionStatus.State.Value(state)
                one.status.error_message = error
                one.status.error_code = 2 if error else 0
        if not response.model_version_status:
            raise NotServed("No such version is served.")
        return response

    def _version(self, spec: Any) -> int | None:
        """The version that a request names, after a check of the model's name."""
        if spec.name != self.versions.name:
            raise NotServed(f"The model served here is {self.versions.name}.")
        if spec.version_label:
            raise NotServed("No version has a label here; ask by its number.")
        return spec.version.value if spec.HasField("version") else None
