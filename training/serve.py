"""Serves an export with TF Serving's REST and gRPC surface, for laptops and tests.

    python -m training.serve --saved_model=saved_models/first

    curl http://localhost:8501/v1/models/first:predict -d '{"inputs": {
        "support_texts": ["turn on the lamp", "play a song"],
        "support_labels": ["light", "music"], "query_texts": ["lamp on"]}}'

New versions under the folder are picked up while it runs. Production is TF Serving,
which loads the same folder unchanged: see docs/serving.md.
"""

import contextlib
import logging as standard_logging
import signal

from absl import app, flags

from .common.flag_types import define_path
from .common.onednn import without_onednn
from .common.running import run_script

define_path("saved_model", None, "saved_models/NAME.", required=True)
flags.DEFINE_string("name", None, "The model's name; the folder's own by default.")
flags.DEFINE_string("host", "127.0.0.1", "The address to listen on.")
flags.DEFINE_integer("rest_port", 8501, "Port of REST; 0 takes a free one.")
flags.DEFINE_integer("grpc_port", 8500, "Port of gRPC; 0 takes a free one.")
flags.DEFINE_integer("threads", 4, "Requests worked on at once.", lower_bound=1)
flags.DEFINE_float(
    "poll_seconds", 2.0, "How often new versions are looked for.", lower_bound=0.1
)

FLAGS = flags.FLAGS


def main(argv: list[str]) -> None:
    without_onednn()
    from maml_tf.serving.model_server import ModelServer

    standard_logging.getLogger("maml_tf").setLevel(standard_logging.INFO)
    # That requests wait for a thread is no news of a busy server.
    standard_logging.getLogger("waitress.queue").setLevel(standard_logging.ERROR)
    try:
        server = ModelServer(
            FLAGS.saved_model,
            FLAGS.name,
            host=FLAGS.host,
            rest_port=FLAGS.rest_port,
            grpc_port=FLAGS.grpc_port,
            threads=FLAGS.threads,
            poll_seconds=FLAGS.poll_seconds,
        )
    except (FileNotFoundError, ImportError, OSError) as error:
        raise app.UsageError(str(error)) from error
    signal.signal(signal.SIGTERM, lambda *_: server.request_stop())
    print(
        f"{server.versions.name} version {server.versions.newest()}: REST on "
        f"http://{FLAGS.host}:{server.rest_port}, gRPC on "
        f"{FLAGS.host}:{server.grpc_port}",
        flush=True,
    )
    with contextlib.suppress(KeyboardInterrupt):
        server.wait()
    server.stop()


if __name__ == "__main__":
    run_script(main)
