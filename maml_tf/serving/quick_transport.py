"""An export for a question or two: there in half the time, then slower at each."""

from pathlib import Path
from typing import Any

from maml_tf.serving.results import ServiceError, error_from, not_offered
from maml_tf.serving.saved_model import version_folder
from maml_tf.serving.tensorflow_alone import tensorflow_for_exports
from maml_tf.serving.transports import Arrays, code_name

INITIALIZER = "__saved_model_init_op"


class QuickTransport:
    """Runs a SavedModel in this process, for a program that ends after a few calls.

    `LocalTransport` makes a Python object of every function of an export and improves
    each graph before it runs, which pays from about the tenth call. This one passes
    the graph on to TensorFlow's runtime as it is; of a signature nothing is prepared
    until it is called.

    Args:
        folder: `NAME` or `NAME/VERSION`.

    Raises:
        FileNotFoundError: if the folder holds no export.
        ServiceError: if the export there cannot be read.

    Example:

    >>> QuickTransport("no/such/folder")
    Traceback (most recent call last):
    ...
    FileNotFoundError: no/such/folder holds no export; export_learner writes one.
    """

    def __init__(self, folder: str | Path) -> None:
        self.version = version = version_folder(folder)
        self._tf = tf = tensorflow_for_exports()
        from google.protobuf.message import DecodeError
        from tensorflow.core.protobuf import saved_model_pb2

        stored = saved_model_pb2.SavedModel()
        try:
            stored.ParseFromString((version / "saved_model.pb").read_bytes())
            (graph,) = stored.meta_graphs
            _leave_as_it_is(tf, graph.graph_def)
            self._signatures = graph.signature_def
            self._session = _session_with(tf, graph, version)
        except (DecodeError, ValueError, tf.errors.OpError) as error:
            raise ServiceError(
                f"{version} cannot be read and may be incomplete; export it again."
            ) from error

    def call(self, signature: str, inputs: Arrays, timeout: float) -> Arrays:
        """The outputs of a signature; see `Transport`."""
        if self._session is None:
            raise ServiceError("The client is closed; make a new one.")
        if signature not in self._signatures:
            raise not_offered(signature)
        asked = self._signatures[signature]
        outputs = {name: found.name for name, found in asked.outputs.items()}
        feed = {asked.inputs[name].name: value for name, value in inputs.items()}
        try:
            return self._session.run(outputs, feed)
        except self._tf.errors.OpError as error:
            raise error_from(code_name(error), error.message) from error

    def close(self) -> None:
        """Lets go of the weights."""
        if self._session is not None:
            self._session.close()
            self._session = None


def _as_it_is(tf: Any) -> Any:
    """Settings under which the runtime improves no graph."""
    settings = tf.compat.v1.ConfigProto()
    settings.graph_options.rewrite_options.disable_meta_optimizer = True
    return settings


def _leave_as_it_is(tf: Any, graph: Any) -> None:
    """Writes those settings on every function's call, where the runtime reads them."""
    settings = _as_it_is(tf).SerializeToString()
    nodes = [*graph.node]
    for function in graph.library.function:
        nodes.extend(function.node_def)
    for node in nodes:
        if "config_proto" in node.attr:
            node.attr["config_proto"].s = settings


def _session_with(tf: Any, stored: Any, version: Path) -> Any:
    """A session with the weights of a graph."""
    with tf.Graph().as_default() as graph:
        session = tf.compat.v1.Session(graph=graph, config=_as_it_is(tf))
        tf.graph_util.import_graph_def(stored.graph_def, name="")
        saver = stored.saver_def
        weights = str(version / "variables" / "variables")
        session.run(saver.restore_op_name, {saver.filename_tensor_name: weights})
        if INITIALIZER in stored.signature_def:  # fills tables of words
            (started,) = stored.signature_def[INITIALIZER].outputs.values()
            assets = {
                asset.tensor_info.name: str(version / "assets" / asset.filename)
                for asset in stored.asset_file_def
            }
            session.run(started.name, assets)
    return session
