"""The versions of a model that a running server holds: found, loaded, drained."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from maml_tf.first_line import first_line
from maml_tf.serving.request_values import check_names, shortened
from maml_tf.serving.saved_model import load_signatures, versions_of
from maml_tf.serving.warm_up import warm_up_requests

RETRY_AFTER = 60.0
AVAILABLE = "AVAILABLE"
DEFAULT = "serving_default"
# From an input's name, its value and its tf.TensorSpec to an array.
Read = Callable[[str, Any, Any], np.ndarray]
log = logging.getLogger(__name__)


class NotServed(LookupError):
    """The version or signature that is asked for is not there."""


@dataclass
class _Version:
    number: int
    state: str = "LOADING"
    error: str = ""
    signatures: dict[str, Any] = field(default_factory=dict)
    running: int = 0
    tried: float = 0.0


class ServedVersions:
    """The newest version under `NAME`, exchanged while requests run.

    A newer version is loaded and warmed up beside the old one; then new requests go to
    it, and the old one is dropped once its last request has been answered. A version
    that cannot be loaded is tried again each minute and the old one stays.

    Args:
        folder: `NAME`.
        name: the model's name; the folder's own if None.

    Example:

    >>> ServedVersions("saved_models/none").newest() is None
    True
    """

    def __init__(self, folder: str | Path, name: str | None = None) -> None:
        self.folder = Path(folder).expanduser()
        self.name = name or self.folder.resolve().name
        self._versions: dict[int, _Version] = {}
        self._lock = threading.RLock()
        # Told of each signature that ran, and its seconds.
        self.ran: Callable[[str, float], None] = lambda signature, seconds: None

    def newest(self) -> int | None:
        """The number of the version that requests go to, None while there is none."""
        with self._lock:
            found = [v.number for v in self._versions.values() if v.state == AVAILABLE]
        return max(found, default=None)

    def look(self) -> None:
        """Looks for a newer version, and loads and exchanges it."""
        found = versions_of(self.folder)
        current = self.newest()
        if not found or (current is not None and found[-1] <= current):
            return
        version = self._versions.get(found[-1])
        now = time.monotonic()
        if version is not None and now - version.tried < RETRY_AFTER:
            return
        version = _Version(found[-1], tried=now)
        with self._lock:
            self._versions[version.number] = version
        path = self.folder / str(version.number)
        try:
            signatures = load_signatures(path)
            warm_up_requests(signatures)
        except Exception as error:  # whatever is wrong with it, the server goes on
            with self._lock:
                version.state, version.error = "END", first_line(error)
            log.error("%s cannot be served: %s", path, error)
            return
        with self._lock:
            version.signatures, version.state = signatures, AVAILABLE
            for old in self._versions.values():
                if old.number < version.number and old.state == AVAILABLE:
                    old.state = "UNLOADING"
                    self._drop_if_idle(old)
        log.info("Serving %s version %d.", self.name, version.number)

    def _drop_if_idle(self, version: _Version) -> None:
        if version.state == "UNLOADING" and not version.running:
            version.state, version.signatures = "END", {}

    @contextlib.contextmanager
    def signature(
        self, name: str = "", version: int | None = None
    ) -> Iterator[tuple[Any, int]]:
        """A signature and its version, which stays loaded until the block ends.

        Raises:
            NotServed: if there is no such version or signature.
        """
        with self._lock:
            wanted = self.newest() if version is None else version
            held = self._versions.get(wanted) if wanted is not None else None
            if held is None or held.state != AVAILABLE:
                raise NotServed(
                    f"Servable not found for request: {self.name} version "
                    f"{'any' if version is None else version}."
                )
            if (name or DEFAULT) not in held.signatures:
                raise NotServed(
                    f"There is no signature {shortened(name)!r}; there are "
                    f"{', '.join(sorted(held.signatures))}."
                )
            held.running += 1
            found = held.signatures[name or DEFAULT]
        try:
            yield found, held.number
        finally:
            with self._lock:
                held.running -= 1
                self._drop_if_idle(held)

    def run(
        self,
        inputs: Mapping[str, Any],
        read: Read,
        signature: str = "",
        version: int | None = None,
    ) -> tuple[dict[str, np.ndarray], int]:
        """The outputs of a signature and the version that gave them.

        Args:
            inputs: as they came.
            read: makes an array of an input; `read_json` or `read_tensor`.
            signature: its name, or "" for the default.
            version: a version, or None for the newest.

        Raises:
            NotServed: if there is no such version or signature.
            ValueError: if the inputs are not those of the signature.
            tf.errors.OpError: if the graph refuses the request.
        """
        with self.signature(signature, version) as (function, number):
            begin = time.monotonic()
            specs = function.structured_input_signature[1]
            check_names(inputs, specs)
            outputs = function(
                **{
                    name: tf.constant(read(name, inputs[name], spec), spec.dtype)
                    for name, spec in specs.items()
                }
            )
            arrays = {key: value.numpy() for key, value in outputs.items()}
            self.ran(signature or DEFAULT, time.monotonic() - begin)
            return arrays, number

    def signatures(self, version: int) -> dict[str, Any]:
        """All signatures of a version by name; none once it is dropped."""
        with self._lock:
            return dict(self._versions[version].signatures)

    def status(self) -> list[tuple[int, str, str]]:
        """Number, state and error of every version known, newest first."""
        with self._lock:
            known = sorted(self._versions.values(), key=lambda v: -v.number)
            return [(v.number, v.state, v.error) for v in known]
