"""TF Serving's gRPC interface: Predict, GetModelMetadata and GetModelStatus."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from maml_tf.serving.served_versions import NotServed, ServedVersions
from maml_tf.serving.transports import code_name


def start_grpc(
    versions: ServedVersions, address: str, threads: int
) -> tuple[grpc.Server, int]:
    """Starts answering gRPC requests.

    Args:
        versions: what is served.
        address: `host:port`; port 0 takes a free one.
        threads: requests that are worked on at once; others wait, and beyond 32 a
            thread they are refused with RESOURCE_EXHAUSTED.

    Returns:
        The server, to be stopped with its `stop`, and its port.
    """
    server = grpc.server(
        ThreadPoolExecutor(threads),
        options=[
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", -1),
            ("grpc.so_reuseport", 0),
        ],
        maximum_concurrent_rpcs=32 * threads,
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _Prediction(versions), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Model(versions), server)
    port = server.add_insecure_port(address)
    server.start()
    return server, port


class _Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, versions: ServedVersions) -> None:
        self.versions = versions

    def Predict(self, request: Any, context: Any) -> Any:
        version = _version(self.versions, request.model_spec, context)
        try:
            inputs = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
            outputs, number = self.versions.run(
                inputs, request.model_spec.signature_name, version
            )
        except NotServed as error:
            context.abort(grpc.StatusCode.NOT_FOUND, str(error))
        except (ValueError, TypeError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except tf.errors.OpError as error:
            context.abort(grpc.StatusCode[code_name(error)], error.message)
        response = predict_pb2.PredictResponse()
        response.model_spec.CopyFrom(request.model_spec)
        response.model_spec.version.value = number
        wanted = set(request.output_filter) or outputs.keys()
        for name in wanted & outputs.keys():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(outputs[name]))
        return response

    def GetModelMetadata(self, request: Any, context: Any) -> Any:
        version = _version(self.versions, request.model_spec, context)
        if list(request.metadata_field) != ["signature_def"]:
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, "Ask for the field signature_def."
            )
        try:
            with self.versions.signature("", version) as (_, number):
                held = self.versions.signatures(number)
        except NotServed as error:
            context.abort(grpc.StatusCode.NOT_FOUND, str(error))
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


class _Model(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, versions: ServedVersions) -> None:
        self.versions = versions

    def GetModelStatus(self, request: Any, context: Any) -> Any:
        version = _version(self.versions, request.model_spec, context)
        response = get_model_status_pb2.GetModelStatusResponse()
        for number, state, error in self.versions.status():
            if version in (None, number):
                one = response.model_version_status.add(version=number)
                one.state = get_model_status_pb2.ModelVersionStatus.State.Value(state)
                one.status.error_message = error
                one.status.error_code = 2 if error else 0
        if not response.model_version_status:
            context.abort(grpc.StatusCode.NOT_FOUND, "No such version is served.")
        return response


def _version(versions: ServedVersions, spec: Any, context: Any) -> int | None:
    """The version that a request names, after a check of the model's name."""
    if spec.name != versions.name:
        context.abort(
            grpc.StatusCode.NOT_FOUND, f"The model served here is {versions.name}."
        )
    return spec.version.value if spec.HasField("version") else None
