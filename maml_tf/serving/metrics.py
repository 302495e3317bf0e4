"""What a server has answered, for Prometheus."""

import contextlib
import importlib
from typing import Any

from maml_tf.serving.served_versions import NotServed

prometheus: Any = None
with contextlib.suppress(ImportError):  # a server without it answers all but /metrics
    prometheus = importlib.import_module("prometheus_client")

BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """Counts answers and their time; counts nothing without prometheus_client.

    Example:

    >>> metrics = Metrics()
    >>> metrics.answered("rest", "predict", "200", 0.02)
    >>> text, _ = metrics.as_text(newest=1)
    >>> b'maml_tf_answers_total{call="predict",code="200",interface="rest"} 1.0' in text
    True
    """

    def __init__(self) -> None:
        if prometheus is None:
            return
        self._registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self._registry)
        self._answers = prometheus.Counter(
            "maml_tf_answers_total",
            "Answers by interface, what was asked and status.",
            ["interface", "call", "code"],
            registry=self._registry,
        )
        self._seconds = prometheus.Histogram(
            "maml_tf_answer_seconds",
            "From a request read to its answer made.",
            ["interface", "call"],
            registry=self._registry,
            buckets=BUCKETS,
        )
        self._runs = prometheus.Histogram(
            "maml_tf_signature_seconds",
            "Runs of a signature that gave an answer.",
            ["signature"],
            registry=self._registry,
            buckets=BUCKETS,
        )
        self._version = prometheus.Gauge(
            "maml_tf_served_version",
            "The newest version that is served; 0 while there is none.",
            registry=self._registry,
        )

    def answered(self, interface: str, call: str, code: str, seconds: float) -> None:
        """Counts an answer.

        Args:
            interface: `"rest"` or `"grpc"`.
            call: what was asked, one of a few words.
            code: the status that was answered.
            seconds: that it took.
        """
        if prometheus is not None:
            self._answers.labels(interface, call, code).inc()
            self._seconds.labels(interface, call).observe(seconds)

    def ran(self, signature: str, seconds: float) -> None:
        """Counts a run of a signature."""
        if prometheus is not None:
            self._runs.labels(signature).observe(seconds)

    def as_text(self, newest: int | None) -> tuple[bytes, str]:
        """All that was counted in Prometheus' text form, and its content type.

        Raises:
            NotServed: without the package prometheus_client.
        """
        if prometheus is None:
            raise NotServed(
                "Metrics need the package prometheus_client; it comes with "
                "`pip install 'maml-tf[serving]'`."
            )
        self._version.set(newest or 0)
        text = prometheus.generate_latest(self._registry)
        return text, prometheus.CONTENT_TYPE_LATEST
