"""A small server with TF Serving's REST and gRPC surface, for laptops and tests."""

import threading
import time
from pathlib import Path
from typing import Any

from maml_tf.serving.limits import LARGEST_REQUEST
from maml_tf.serving.served_versions import ServedVersions

# Of REST, at once; most systems let a process have 1,024 files.
MOST_CONNECTIONS = 800


class ModelServer:
    """Serves the newest version under a folder until it is stopped.

    REST runs on waitress, gRPC on grpcio; `/` is a page that says what is served, and
    `/health` and `/metrics` are for those who watch. New versions are picked up while
    running; the old one answers what it has begun. For production use TF Serving.

    Args:
        folder: `NAME`, which holds versions.
        name: the model's name; the folder's own if None.
        host: the address to listen on.
        rest_port: 0 takes a free one.
        grpc_port: 0 takes a free one, None leaves gRPC out.
        threads: requests that are worked on at once over each of the two.
        poll_seconds: how often new versions are looked for.
        idle_seconds: a REST connection on which nothing has come or gone for so long
            is closed, be it between requests or within one that never ends; looked
            for every 10 seconds, or as often as that where it is less. A request that
            takes twice as long, and comes at less than 10 kB a second, is refused.

    Raises:
        FileNotFoundError: if no version there can be served.
        ImportError: if the extra `serving` is not installed.
    """

    def __init__(
        self,
        folder: str | Path,
        name: str | None = None,
        *,
        host: str = "127.0.0.1",
        rest_port: int = 8501,
        grpc_port: int | None = 8500,
        threads: int = 4,
        poll_seconds: float = 2.0,
        idle_seconds: int = 30,
    ) -> None:
        try:
            import waitress

            from maml_tf.serving.grpc_service import GrpcServer
            from maml_tf.serving.http_channel import answer_all
            from maml_tf.serving.http_stop import Stop
            from maml_tf.serving.metrics import Metrics
            from maml_tf.serving.rest_service import RestService
        except ImportError as error:
            raise ImportError(
                f"The server needs `pip install 'maml-tf[serving]'` ({error})."
            ) from error
        self.versions = ServedVersions(folder, name)
        self.versions.look()
        if self.versions.newest() is None:
            reason = "; ".join(error for _, _, error in self.versions.status())
            raise FileNotFoundError(
                f"{folder} holds no version that can be served"
                + (f": {reason}" if reason else "; export_learner writes one.")
            )
        metrics = Metrics()
        self.versions.ran = metrics.ran
        self._rest: Any = waitress.create_server(
            RestService(self.versions, metrics),
            host=host,
            port=rest_port,
            threads=threads,
            max_request_body_size=LARGEST_REQUEST,
            channel_timeout=idle_seconds,
            cleanup_interval=min(idle_seconds, 10),
            # Slow clients and such that have gone silent hold a connection, too.
            connection_limit=MOST_CONNECTIONS,
            asyncore_use_poll=True,
        )
        self._stop = Stop()
        answer_all(self._rest, self._stop)
        self.rest_port: int = _port_of(self._rest)
        self._grpc = None
        if grpc_port is not None:
            self._grpc = GrpcServer(
                self.versions, metrics, f"{host}:{grpc_port}", threads, self._stop
            )
        self.grpc_port = self._grpc.port if self._grpc is not None else None
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._rest.run, daemon=True),
            threading.Thread(target=self._watch, args=(poll_seconds,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _watch(self, seconds: float) -> None:
        while not self._stopped.wait(seconds):
            self.versions.look()

    def wait(self) -> None:
        """Waits until `request_stop` or `stop` is called elsewhere."""
        self._stopped.wait()

    def request_stop(self) -> None:
        """Ends `wait`; safe inside a signal handler."""
        self._stopped.set()

    def stop(self, patience: float = 20.0) -> None:
        """Takes no new requests, and answers those that have come.

        Args:
            patience: seconds for that. What has not been begun by then is refused, as
                UNAVAILABLE over gRPC and with 503 over REST.
        """
        from maml_tf.serving.http_stop import LAST_SECONDS, answer_and_stop

        self._stopped.set()
        if self._stop.since is not None:
            return
        deadline = time.monotonic() + patience
        if self._grpc is not None:
            self._grpc.take_no_more(patience + LAST_SECONDS)
        answer_and_stop(self._rest, self._stop, patience)
        if self._grpc is not None:
            if not self._grpc.wait(max(0.0, deadline - time.monotonic())):
                self._stop.refuses = True
                self._grpc.wait(LAST_SECONDS)
            self._grpc.close()

    def __enter__(self) -> "ModelServer":
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()


def _port_of(server: Any) -> int:
    """The port of waitress' server; the first where a host has several addresses."""
    several = getattr(server, "effective_listen", None)
    return several[0][1] if several else server.effective_port
