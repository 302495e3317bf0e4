"""One client for a SavedModel on disk and for TF Serving over gRPC and REST."""

import random
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from maml_tf.serving.results import AdaptedState, Answers, Overloaded, ServiceError
from maml_tf.serving.transports import (
    Arrays,
    GrpcTransport,
    LocalTransport,
    RestTransport,
    Transport,
)

Texts = Sequence[str | bytes]


class Client:
    """Few-shot intents from a service, wherever it runs.

    No call changes anything on the server, so trying again is always safe: a call that
    finds the server overloaded or away is repeated with growing pauses until its
    time-out. A call that the server refuses is not.

    Args:
        target: a folder `NAME` or `NAME/VERSION`, `grpc://host:8500` or
            `http://host:8501`; or a `Transport` of one's own.
        model: the model's name on a server; not needed for a folder.
        version: a version on a server, or None for the newest.
        timeout: seconds for one call, repetitions included.
        batched: call the signatures with a task axis. A server that was started with
            `--enable_batching` needs it; see docs/serving.md.

    Raises:
        ValueError: if a server is named without a model, or a number is out of range.
        FileNotFoundError: if the folder holds no export.

    Example:

    >>> Client("http://localhost:8501")
    Traceback (most recent call last):
    ...
    ValueError: A server needs the model's name; give model=NAME.
    """

    def __init__(
        self,
        target: Any,
        model: str | None = None,
        *,
        version: int | None = None,
        timeout: float = 30.0,
        batched: bool = False,
    ) -> None:
        if timeout <= 0:
            raise ValueError(f"timeout must be a positive number, not {timeout!r}.")
        self.timeout, self.batched = timeout, batched
        self.transport = (
            target if hasattr(target, "call") else _connect(str(target), model, version)
        )

    def classify(
        self, support_texts: Texts, support_labels: Texts, query_texts: Texts
    ) -> Answers:
        """Answers from a bot that these examples define, learned and forgotten.

        Args:
            support_texts: example texts.
            support_labels: the intent of each.
            query_texts: texts to be answered.

        Raises:
            RequestError: if the examples or texts cannot be worked with.
            ServiceError: if there was no answer in time.
        """
        outputs = self._call(
            "classify",
            support_texts=_strings(support_texts),
            support_labels=_strings(support_labels),
            query_texts=_strings(query_texts),
        )
        return self._answers(outputs, len(query_texts))

    def adapt(self, support_texts: Texts, support_labels: Texts) -> AdaptedState:
        """What the examples teach, to be kept and passed to `predict`.

        Raises:
            RequestError: if the examples cannot be learned from.
            ServiceError: if there was no answer in time.
        """
        outputs = self._call(
            "adapt",
            support_texts=_strings(support_texts),
            support_labels=_strings(support_labels),
        )
        return AdaptedState(
            np.asarray(outputs["state"], "float32"), _decoded(outputs["class_names"])
        )

    def predict(self, state: AdaptedState, query_texts: Texts) -> Answers:
        """The answers of `classify`, from a state.

        Raises:
            StaleStateError: if another version of the model made the state.
            RequestError: if the state or a text cannot be worked with.
            ServiceError: if there was no answer in time.
        """
        outputs = self._call(
            "predict",
            state=np.asarray(state.values, "float32"),
            class_names=_strings(state.class_names),
            query_texts=_strings(query_texts),
        )
        return self._answers(outputs, len(query_texts))

    def embed(self, texts: Texts) -> np.ndarray:
        """The encoder's vectors `[texts, dim]`."""
        inputs = {"texts": _strings(texts)}
        return self._repeat("embed", inputs)["vectors"]

    def close(self) -> None:
        """Lets go of connections."""
        self.transport.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _call(self, signature: str, **inputs: np.ndarray) -> Arrays:
        if not self.batched:
            return self._repeat(signature, inputs)
        # The empty string ends a list, whatever a batch fills it up with behind.
        rows = {
            name: (np.append(v, [b""]) if v.dtype == object else v)[np.newaxis]
            for name, v in inputs.items()
        }
        outputs = self._repeat(f"{signature}_tasks", rows)
        return {name: value[0] for name, value in outputs.items()}

    def _answers(self, outputs: Arrays, queries: int) -> Answers:
        names = [name for name in _decoded(outputs["class_names"]) if name]
        return Answers(
            _decoded(outputs["intents"])[:queries],
            np.asarray(outputs["probabilities"])[:queries, : len(names)],
            np.asarray(outputs["in_scope"], bool)[:queries],
            names,
        )

    def _repeat(self, signature: str, inputs: Arrays) -> Arrays:
        end = time.monotonic() + self.timeout
        pause = 0.05
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise ServiceError(f"No answer within {self.timeout:g} s.")
            try:
                return self.transport.call(signature, inputs, left)
            except Overloaded as error:
                # Clients that were refused together must not come back together.
                wait = pause * random.uniform(0.5, 1.5)
                if time.monotonic() + wait >= end:
                    raise ServiceError(
                        f"No answer within {self.timeout:g} s: {error}"
                    ) from error
                time.sleep(wait)
                pause = min(2 * pause, 2.0)


def _connect(target: str, model: str | None, version: int | None) -> Transport:
    if "://" not in target:
        return LocalTransport(target)
    if model is None:
        raise ValueError("A server needs the model's name; give model=NAME.")
    scheme, _, address = target.partition("://")
    if scheme == "grpc":
        return GrpcTransport(address, model, version)
    if scheme in ("http", "https"):
        return RestTransport(target, model, version)
    raise ValueError(f"{target!r} is neither a folder, grpc://… nor http://….")


def _strings(texts: Texts) -> np.ndarray:
    if isinstance(texts, (str, bytes)):
        raise TypeError("Give a list of texts, not one text.")
    encoded = [t.encode() if isinstance(t, str) else t for t in texts]
    array = np.empty(len(encoded), object)
    array[:] = encoded
    return array


def _decoded(strings: Any) -> list[str]:
    return [s.decode() if isinstance(s, bytes) else str(s) for s in np.asarray(strings)]
