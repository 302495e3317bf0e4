"""One client for a SavedModel on disk and for TF Serving over gRPC and REST."""

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from maml_tf.episodes.class_names import texts_of_names
from maml_tf.serving.conversation_client import ConversationClient
from maml_tf.serving.conversation_requests import learned_values, strings
from maml_tf.serving.model_kinds import refused_by_kind
from maml_tf.serving.outputs import decoded, named_output
from maml_tf.serving.results import (
    AdaptedState,
    Answers,
    ExampleTexts,
    NotOffered,
    Overloaded,
    RequestError,
    ServiceError,
    Unreachable,
)
from maml_tf.serving.thresholds import with_thresholds
from maml_tf.serving.transports import (
    Arrays,
    GrpcTransport,
    LocalTransport,
    RestTransport,
    Transport,
)

Texts = Sequence[str | bytes]


class Client(ConversationClient):
    """Few-shot intents, or an adapted language model, from a service, wherever it runs.

    No call changes anything on the server, so trying again is always safe: a call that
    finds the server overloaded, or away though it has answered before, is repeated with
    growing pauses until its time-out. A call that the server refuses is not, and an
    address where nothing has answered yet is said to be wrong at once.

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
        if not isinstance(timeout, (int, float)) or not timeout > 0:
            raise ValueError(f"timeout must be a positive number, not {timeout!r}.")
        if version is not None and (not isinstance(version, int) or version < 1):
            raise ValueError(f"version must be a whole number from 1, not {version!r}.")
        self._has_answered = False
        self.timeout, self.batched = timeout, batched
        self.transport = (
            target if hasattr(target, "call") else _connect(str(target), model, version)
        )

    def classify(
        self,
        support_texts: Texts,
        support_labels: Texts,
        query_texts: Texts,
        *,
        named: Sequence[str] = (),
        thresholds: Mapping[str, float] | None = None,
    ) -> Answers:
        """Answers from a bot that these examples define, learned and forgotten.

        Args:
            support_texts: example texts.
            support_labels: the intent of each, or `NEGATIVE` for a text that is for
                none.
            query_texts: texts to be answered.
            named: more intents, taught by their names alone, as "lost_card" can be.
            thresholds: the probability from which an intent is in scope, for those
                that are not to go by the model.

        Raises:
            RequestError: if the examples or texts cannot be worked with.
            ServiceError: if there was no answer in time.
        """
        queries = strings(query_texts, "query_texts")
        outputs = self._call(
            "classify",
            **_taught(support_texts, support_labels, named),
            query_texts=queries,
        )
        return self._answers(outputs, len(queries), thresholds)

    def adapt(
        self,
        support_texts: Texts,
        support_labels: Texts,
        *,
        named: Sequence[str] = (),
    ) -> AdaptedState:
        """What the examples teach, to be kept and passed to `predict`.

        Args:
            support_texts, support_labels, named: see `classify`.

        Raises:
            RequestError: if the examples cannot be learned from.
            ServiceError: if there was no answer in time.
        """
        outputs = self._call("adapt", **_taught(support_texts, support_labels, named))
        return _state_in(outputs)

    def predict(
        self,
        state: AdaptedState,
        query_texts: Texts,
        *,
        thresholds: Mapping[str, float] | None = None,
    ) -> Answers:
        """The answers of `classify`, from a state.

        Raises:
            StaleStateError: if another version of the model made the state.
            RequestError: if the state or a text cannot be worked with.
            ServiceError: if there was no answer in time.
        """
        queries = strings(query_texts, "query_texts")
        outputs = self._call("predict", **_learned(state), query_texts=queries)
        return self._answers(outputs, len(queries), thresholds)

    def embed(self, texts: Texts) -> np.ndarray:
        """The encoder's vectors `[texts, dim]`."""
        inputs = {"texts": strings(texts, "texts")}
        return named_output(self._repeat("embed", inputs), "vectors")

    def examples(self, support_texts: Texts, support_labels: Texts) -> ExampleTexts:
        """Which texts `adapt_vectors` wants the vectors of.

        Args:
            support_texts, support_labels: see `classify`.

        Raises:
            NotOffered: if the export does not learn from vectors.
            RequestError: if the examples cannot be learned from.
            ServiceError: if there was no answer in time.
        """
        given = _taught(support_texts, support_labels, ())
        outputs = self._one_task("examples", given)
        return ExampleTexts(
            decoded(named_output(outputs, "texts")),
            np.asarray(named_output(outputs, "numbers"), int),
            decoded(named_output(outputs, "class_names")),
            tuple(int(n) for n in named_output(outputs, "fingerprint")),
        )

    def adapt_vectors(
        self, vectors: np.ndarray, support_texts: Texts, support_labels: Texts
    ) -> AdaptedState:
        """The state of `adapt`, without a text being read.

        Over REST the vectors go as JSON: 750 of 384 numbers are 6 MB.

        Args:
            vectors: `[texts, dim]`, those that `embed` gives of the texts that
                `examples` names, in its order.
            support_texts, support_labels: see `classify`.

        Raises:
            NotOffered: if the export does not learn from vectors.
            RequestError: if the examples or vectors cannot be learned from.
            ServiceError: if there was no answer in time.
        """
        given = _taught(support_texts, support_labels, ())
        given["example_vectors"] = _finite(vectors, "example_vectors")
        return _state_in(self._one_task("adapt_vectors", given))

    def predict_vectors(
        self,
        state: AdaptedState,
        query_vectors: np.ndarray,
        *,
        thresholds: Mapping[str, float] | None = None,
    ) -> Answers:
        """The answers of `predict`, from vectors `[queries, dim]` that `embed` gave.

        Raises:
            NotOffered: if the export does not answer from vectors.
            StaleStateError, RequestError, ServiceError: see `predict`.
        """
        vectors = _finite(query_vectors, "query_vectors")
        given = {**_learned(state), "query_vectors": vectors}
        outputs = self._one_task("predict_vectors", given)
        return self._answers(outputs, len(vectors), thresholds)

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
            name: (_ended(v) if v.dtype == object else v)[np.newaxis]
            for name, v in inputs.items()
        }
        outputs = self._repeat(f"{signature}_tasks", rows)
        return {name: value[0] for name, value in outputs.items()}

    def _one_task(self, signature: str, inputs: Arrays) -> Arrays:
        if self.batched:  # such a server would put the examples of two bots together
            raise NotOffered(f"There is no signature {signature} with a task axis.")
        return self._repeat(signature, inputs)

    def _answers(
        self, outputs: Arrays, queries: int, thresholds: Mapping[str, float] | None
    ) -> Answers:
        names = [name for name in decoded(named_output(outputs, "class_names")) if name]
        answers = Answers(
            decoded(named_output(outputs, "intents"))[:queries],
            np.asarray(named_output(outputs, "probabilities"))[:queries, : len(names)],
            np.asarray(named_output(outputs, "in_scope"), bool)[:queries],
            names,
            np.asarray(outputs["margins"])[:queries] if "margins" in outputs else None,
        )
        return with_thresholds(answers, thresholds or {})

    def _repeat(self, signature: str, inputs: Arrays) -> Arrays:
        end = time.monotonic() + self.timeout
        pause = 0.05
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise ServiceError(f"No answer within {self.timeout:g} s.")
            try:
                outputs = self.transport.call(signature, inputs, left)
                self._has_answered = True
                return outputs
            except RequestError as error:
                raise refused_by_kind(error, signature, inputs) from error
            except (Overloaded, Unreachable) as error:
                # A server that was there is being restarted; one that never was is not.
                if isinstance(error, Unreachable) and not self._has_answered:
                    raise
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
    if not model:
        raise ValueError("A server needs the model's name; give model=NAME.")
    scheme, _, address = target.partition("://")
    if scheme == "grpc":
        return GrpcTransport(address, model, version)
    if scheme in ("http", "https"):
        return RestTransport(target, model, version)
    raise ValueError(f"{target!r} is neither a folder, grpc://… nor http://….")


def _state_in(outputs: Arrays) -> AdaptedState:
    return AdaptedState(
        np.asarray(named_output(outputs, "state"), "float32"),
        decoded(named_output(outputs, "class_names")),
    )


def _learned(state: AdaptedState) -> dict[str, np.ndarray]:
    """The inputs of a state."""
    values = learned_values(state)
    return {"state": values, "class_names": strings(state.class_names, "class_names")}


def _finite(vectors: np.ndarray, name: str) -> np.ndarray:
    """Vectors as they are sent; JSON has no NaN."""
    values = np.asarray(vectors, "float32")
    if not np.isfinite(values).all():
        raise RequestError(f"{name} holds NaN or infinity.")
    return values


def _taught(texts: Texts, labels: Texts, named: Sequence[str]) -> dict[str, np.ndarray]:
    """The inputs of a support set."""
    given = strings(texts, "support_texts")
    intents = strings(labels, "support_labels")
    try:
        by_name = texts_of_names(named)
    except ValueError as error:
        raise RequestError(str(error)) from error
    return {
        "support_texts": np.append(given, strings(by_name, "named")),
        "support_labels": np.append(intents, strings(named, "named")),
    }


def _ended(texts: np.ndarray) -> np.ndarray:
    """Texts with an empty one, or a row of them, behind the last of every axis."""
    return np.pad(texts, [(0, 1)] * texts.ndim, constant_values=b"")
