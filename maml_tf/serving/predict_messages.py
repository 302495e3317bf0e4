"""The messages of TF Serving's Predict, for clients that have no TensorFlow.

tensorflow-serving-api brings the same messages and imports all of TensorFlow, which
takes seconds. What goes over the wire is fixed by the numbers below alone (TensorFlow's
tensor.proto and tensor_shape.proto; TF Serving's model.proto and predict.proto); fields
that a client neither sends nor reads are left out.
"""

import functools
import math
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from maml_tf.serving.limits import LARGEST_REQUEST

METHOD = "/tensorflow.serving.PredictionService/Predict"
PACKAGE = "maml_tf.predict"
# name: (number, type, is repeated); a capital letter starts the name of a message.
MESSAGES: dict[str, dict[str, tuple[int, str, bool]]] = {
    "Size": {"size": (1, "int64", False)},
    "Shape": {"dim": (2, "Size", True)},
    "Tensor": {
        "dtype": (1, "int32", False),
        "tensor_shape": (2, "Shape", False),
        "tensor_content": (4, "bytes", False),
        "float_val": (5, "float", True),
        "double_val": (6, "double", True),
        "int_val": (7, "int32", True),
        "string_val": (8, "bytes", True),
        "int64_val": (10, "int64", True),
        "bool_val": (11, "bool", True),
    },
    "Version": {"value": (1, "int64", False)},
    "ModelSpec": {
        "name": (1, "string", False),
        "version": (2, "Version", False),
        "signature_name": (3, "string", False),
    },
    # On the wire a map is a list of pairs.
    "Named": {"key": (1, "string", False), "value": (2, "Tensor", False)},
    "PredictRequest": {
        "model_spec": (1, "ModelSpec", False),
        "inputs": (2, "Named", True),
    },
    "PredictResponse": {
        "outputs": (1, "Named", True),
        "model_spec": (2, "ModelSpec", False),
    },
}
# TensorFlow's number of a type: NumPy's name of it, and the field of its values.
TYPES = {
    1: ("float32", "float_val"),
    2: ("float64", "double_val"),
    3: ("int32", "int_val"),
    7: ("object", "string_val"),
    9: ("int64", "int64_val"),
    10: ("bool", "bool_val"),
}
NUMBERS = {name: number for number, (name, _) in TYPES.items()}


@functools.cache
def message(name: str) -> Any:
    """The class of a message of `MESSAGES`."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(name_of(name)))


def name_of(message_name: str) -> str:
    """A message's full name."""
    return f"{PACKAGE}.{message_name}"


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    """The messages in a pool of their own, apart from those of TensorFlow."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{PACKAGE}.proto", package=PACKAGE, syntax="proto3"
    )
    for name, fields in MESSAGES.items():
        described = file.message_type.add(name=name)
        for field, (number, kind, repeated) in fields.items():
            one = described.field.add(name=field, number=number)
            one.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            if kind in MESSAGES:
                one.type, one.type_name = kinds.TYPE_MESSAGE, f".{name_of(kind)}"
            else:
                one.type = kinds.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def request(
    model: str, signature: str, version: int | None, inputs: dict[str, np.ndarray]
) -> Any:
    """A PredictRequest.

    Args:
        model: the model's name on the server.
        signature: what is called.
        version: of the model, or None for the newest.
        inputs: arrays of byte strings (type object) or of numbers.

    Example:

    >>> asked = request("bot", "embed", None, {"texts": np.array([b"hi"], object)})
    >>> arrays(asked.inputs)["texts"].tolist()
    [b'hi']
    """
    made = message("PredictRequest")()
    made.model_spec.name, made.model_spec.signature_name = model, signature
    if version is not None:
        made.model_spec.version.value = version
    for name, value in inputs.items():
        tensor = made.inputs.add(key=name).value
        tensor.dtype = NUMBERS[value.dtype.name]
        for size in value.shape:
            tensor.tensor_shape.dim.add(size=size)
        if value.dtype == object:
            tensor.string_val.extend(value.ravel().tolist())
        else:
            tensor.tensor_content = value.astype(
                value.dtype.newbyteorder("<")
            ).tobytes()
    return made


def arrays(named: Any) -> dict[str, np.ndarray]:
    """The arrays of `inputs` or `outputs`.

    Raises:
        ValueError: if one has a type that no export gives, or values that do not fill
            its shape.
    """
    return {one.key: array(one.value, one.key) for one in named}


def array(tensor: Any, name: str) -> np.ndarray:
    """The array of one tensor, of this module's message or of TensorFlow's own.

    Args:
        tensor: the message.
        name: what an error calls it.

    Raises:
        ValueError: if it has a type that no export gives, or values that do not fill
            its shape. Nothing larger than a request may be is made of a small message.
    """
    if tensor.dtype not in TYPES:
        raise ValueError(f"{name} has the type {tensor.dtype}, which no export gives.")
    kind, field = TYPES[tensor.dtype]
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if any(size < 0 for size in shape):
        raise ValueError(f"{name} has a shape with a negative size, {shape}.")
    wanted = math.prod(shape)
    if wanted * np.dtype(kind).itemsize > LARGEST_REQUEST:
        raise ValueError(f"{name} has a shape of {wanted} entries, which is too many.")
    if not tensor.tensor_content:
        values = np.array([*getattr(tensor, field)], kind)
    elif kind == "object":
        raise ValueError(f"{name} must have its strings in string_val.")
    elif len(tensor.tensor_content) % np.dtype(kind).itemsize:
        raise ValueError(f"{name} holds the bytes of no whole number of {kind}s.")
    else:
        ordered = np.dtype(kind).newbyteorder("<")
        values = np.frombuffer(tensor.tensor_content, ordered).astype(kind)
    if len(values) == 1:  # how TensorFlow shortens a constant
        values = np.repeat(values, wanted)
    if len(values) != wanted:
        raise ValueError(
            f"{name} has {len(values)} values for a shape of {wanted} entries."
        )
    return values.reshape(shape)
