"""The client's own messages are TF Serving's on the wire."""

import numpy as np
import pytest
import tensorflow as tf

from maml_tf.serving import predict_messages

predict_pb2 = pytest.importorskip("tensorflow_serving.apis.predict_pb2")

VALUES = {
    "texts": np.array([[b"a", b""], [b"\xff", "ü".encode()]], object),
    "state": np.array([1.5, -2.0, np.inf], "float32"),
    "none": np.zeros((0, 3), "float32"),
    "no text": np.zeros((0,), object),
    "in_scope": np.array([True, False]),
    "counts": np.array([[-5], [7]], "int64"),
    "small": np.array([3, 3], "int32"),
    "double": np.array(0.1, "float64"),
}


def test_tensorflow_reads_the_request():
    sent = predict_messages.request("bot", "adapt", 3, VALUES).SerializeToString()
    read = predict_pb2.PredictRequest.FromString(sent)
    assert read.model_spec.name == "bot" and read.model_spec.version.value == 3
    assert read.model_spec.signature_name == "adapt"
    assert read.inputs.keys() == VALUES.keys()
    for name, value in VALUES.items():
        tensor = tf.make_ndarray(read.inputs[name])
        assert tensor.dtype == value.dtype
        np.testing.assert_array_equal(tensor, value)
    unnumbered = predict_messages.request("bot", "", None, {}).SerializeToString()
    assert not predict_pb2.PredictRequest.FromString(unnumbered).model_spec.HasField(
        "version"
    )


def test_the_answer_of_tensorflow_is_read():
    response = predict_pb2.PredictResponse()
    for name, value in VALUES.items():
        response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
    # TF Serving may send values in their own fields, shortened where all are equal.
    response.outputs["fields"].dtype = tf.float32.as_datatype_enum
    response.outputs["fields"].tensor_shape.dim.add(size=3)
    response.outputs["fields"].float_val.append(0.5)
    answer = predict_messages.message("PredictResponse").FromString(
        response.SerializeToString()
    )
    found = predict_messages.arrays(answer.outputs)
    for name, value in {**VALUES, "fields": np.full(3, 0.5, "float32")}.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name], value)


def test_a_type_that_no_export_gives_is_refused():
    response = predict_pb2.PredictResponse()
    response.outputs["x"].CopyFrom(tf.make_tensor_proto([1j]))
    answer = predict_messages.message("PredictResponse").FromString(
        response.SerializeToString()
    )
    with pytest.raises(ValueError, match="x has the type 18"):
        predict_messages.arrays(answer.outputs)
