"""The adapted state: what a support set taught, as one flat vector of floats.

Layout: a header of eight numbers, then each tensor of the fast weights in the order of
its name, preceded by those sizes of it that are not fixed by the model. Every number
of the header is a whole number below 65536, which single precision and any JSON
library keep exactly.
"""

import hashlib
import json
from typing import Any

import numpy as np
import tensorflow as tf

from maml_tf.learners import MetaLearner
from maml_tf.serving.request_checks import Faults
from maml_tf.serving.results import OTHER_VERSION, STATE_HEADER

STATE_FORMAT = 1
HEADER = STATE_HEADER
WORD = 65536
NOT_WHOLE = "The state is not whole; pass on every number that adapt returned."


class StateLayout:
    """Packs fast weights into a vector and unpacks them again, inside a graph.

    Args:
        fast_weights: a spec or symbolic tensor `[1, ...]` for every fast weight, by
            name; sizes that depend on the support set are None.
        fingerprint: three whole numbers below 65536 that name the model's version.

    Example:

    >>> layout = StateLayout({"means": tf.TensorSpec([1, None, 2])}, (1, 2, 3))
    >>> names = tf.constant(["a", "b"])
    >>> state = layout.pack({"means": tf.ones((1, 2, 2))}, names)
    >>> state.shape, layout.unpack(state)["means"].shape
    (TensorShape([13]), TensorShape([1, 2, 2]))
    """

    def __init__(
        self, fast_weights: dict[str, Any], fingerprint: tuple[int, int, int]
    ) -> None:
        self.specs = {
            name: (t.shape.as_list(), t.dtype)
            for name, t in sorted(fast_weights.items())
        }
        self.fingerprint = fingerprint

    def pack(self, fast: dict[str, tf.Tensor], names: tf.Tensor) -> tf.Tensor:
        """The state `[floats]` of fast weights `[1, ...]` and class names `[classes]`.

        Half precision is exact in the single precision of the state.
        """
        parts = []
        for name, (shape, _) in self.specs.items():
            sizes = tf.shape(fast[name])
            free = [sizes[axis] for axis, size in enumerate(shape) if size is None]
            if free:
                parts.append(tf.cast(tf.stack(free), tf.float32))
            parts.append(tf.cast(tf.reshape(fast[name], [-1]), tf.float32))
        payload = tf.concat(parts, 0)
        length = tf.size(payload)
        header = [
            STATE_FORMAT,
            *self.fingerprint,
            tf.size(names),
            length // WORD,
            length % WORD,
            _hash_of(names),
        ]
        header = tf.stack([tf.cast(number, tf.float32) for number in header])
        return tf.concat([header, payload], 0)

    def cut(self, state: tf.Tensor, names: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """State and class names without what a batch padded them with at their end."""
        header = _header_of(state)
        header = tf.where(tf.math.is_finite(header), header, tf.zeros_like(header))
        header = tf.cast(tf.clip_by_value(header, 0, WORD), tf.int64)
        return state[: HEADER + header[5] * WORD + header[6]], names[: header[4]]

    def check(self, faults: Faults, state: tf.Tensor, names: tf.Tensor) -> None:
        """Notes what makes a state `[floats]` with names `[classes]` unusable."""
        header = _header_of(state)
        expected = [float(number) for number in (STATE_FORMAT, *self.fingerprint)]
        faults.add(
            ~tf.reduce_all(tf.math.is_finite(state)),
            "The state holds NaN or infinity; call adapt again.",
        )
        faults.add(
            (tf.size(state) < HEADER) | (header[0] != expected[0]),
            "The state is none that adapt returned; call adapt and pass its state on.",
        )
        faults.add(
            tf.reduce_any(header[1:4] != tf.constant(expected[1:])),
            f"{OTHER_VERSION}; call adapt again.",
        )
        length = tf.size(state) - HEADER
        parts = tf.cast(tf.stack([length // WORD, length % WORD]), tf.float32)
        faults.add(
            tf.reduce_any(parts != header[5:7]) | ~self._sizes_fit(state),
            NOT_WHOLE,
        )
        faults.add(
            (tf.cast(tf.size(names), tf.float32) != header[4])
            | (tf.cast(_hash_of(names), tf.float32) != header[7]),
            "class_names must be those that adapt returned with the state, in order.",
        )

    def _sizes_fit(self, state: tf.Tensor) -> tf.Tensor:
        """Whether the sizes that a state tells of add up to its length."""
        end, fits = tf.constant(HEADER, tf.int64), tf.constant(True)
        for shape, _ in self.specs.values():
            free = shape.count(None)
            told = state[end : end + free]
            told = tf.pad(told, [[0, free - tf.size(told)]])
            sizes = tf.clip_by_value(tf.round(told), 0, WORD)
            fits &= tf.reduce_all(sizes == told)
            known = [size for size in shape if size is not None]
            # In double precision, which the product of any sizes fits in.
            count = tf.reduce_prod(tf.cast([*known, 1], tf.float64))
            count *= tf.reduce_prod(tf.cast(sizes, tf.float64))
            count = tf.minimum(count, tf.cast(tf.size(state) + 1, tf.float64))
            end += free + tf.cast(count, tf.int64)
        return fits & tf.equal(end, tf.size(state, tf.int64))

    def unpack(self, state: tf.Tensor) -> dict[str, tf.Tensor]:
        """The fast weights `[1, ...]` of a state that passed the checks."""
        fast, offset = {}, tf.constant(HEADER)
        for name, (shape, dtype) in self.specs.items():
            free = shape.count(None)
            found = iter(
                tf.unstack(tf.cast(state[offset : offset + free], tf.int32), num=free)
            )
            offset += free
            sizes = tf.stack([next(found) if size is None else size for size in shape])
            count = tf.reduce_prod(sizes)
            value = tf.reshape(state[offset : offset + count], sizes)
            fast[name] = tf.cast(tf.ensure_shape(value, shape), dtype)
            offset += count
        return fast


def finite_state(state: tf.Tensor, learned_from: str, prefix: tf.Tensor) -> tf.Tensor:
    """The state, which exists only where learning did not diverge.

    Args:
        state: that `pack` gave.
        learned_from: what the sentence calls the examples.
        prefix: before the sentence; see `Faults`.
    """
    diverged = Faults(prefix)
    diverged.add(
        ~tf.reduce_all(tf.math.is_finite(state)),
        f"Learning from these {learned_from} gave NaN or infinity; the model's inner "
        "learning rate may be too large for them.",
    )
    return diverged.guard(state)


def fingerprint(learner: MetaLearner) -> tuple[int, int, int]:
    """Three numbers below 65536 that change with a learner's weights and settings.

    Keras counts up the names of layers, so names do not enter.
    """
    digest = hashlib.sha256(type(learner).__name__.encode())
    settings = json.dumps(_nameless(learner.get_config()), default=str, sort_keys=True)
    digest.update(settings.encode())
    for variable in learner.variables:
        array = np.ascontiguousarray(variable.numpy())
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(array.tobytes())
    words = np.frombuffer(digest.digest()[:6], "<u2")
    return int(words[0]), int(words[1]), int(words[2])


def _header_of(state: tf.Tensor) -> tf.Tensor:
    header = state[:HEADER]
    return tf.ensure_shape(tf.pad(header, [[0, HEADER - tf.size(header)]]), [HEADER])


def _hash_of(names: tf.Tensor) -> tf.Tensor:
    # A length before each name, so that no two lists of names join to the same string.
    lengths = tf.strings.as_string(tf.strings.length(names))
    joined = tf.strings.reduce_join(tf.strings.join([lengths, names], ":"))
    return tf.strings.to_hash_bucket_fast(joined, WORD)


def _nameless(config: Any) -> Any:
    if isinstance(config, dict):
        return {k: _nameless(v) for k, v in config.items() if k != "name"}
    return [*map(_nameless, config)] if isinstance(config, (list, tuple)) else config
