"""An LSTM that predicts the base learner's updates, one coordinate at a time."""

import math
from typing import Any

import keras
import tensorflow as tf

from maml_tf.arguments import positive, whole
from maml_tf.inner_loop.update_rules.update_rule import UpdateRule

FEATURES = 4


@keras.saving.register_keras_serializable(package="maml_tf")
class LearnedOptimizer(UpdateRule):
    """The meta-learner LSTM of Ravi & Larochelle (ICLR 2017, no arXiv number).

    An LSTM reads the gradient and the loss of the step, and from its output a second
    cell whose *state is the weight* opens two gates:
    `weight = forget * weight - input * gradient`, where each gate also sees the weight
    and its own last value. The state of that cell before the first step, the initial
    weights, is learned as it is in MAML. Gradient and loss come as logarithm and sign
    (Andrychowicz et al. 2016, arXiv 1606.04474, appendix A).

    Every coordinate has a state of its own and all share one set of weights, so that
    what was learned on one base learner works on another of any size: give the same
    object, or one loaded with the same weights, to another learner.

    Args:
        units: width of the LSTM.
        learning_rate: what the input gate starts at, between 0 and 1.
        retention: what the forget gate starts at, between 0 and 1.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> rule = LearnedOptimizer(units=4, learning_rate=0.1, retention=0.9999)
    >>> rule.build_for([])
    >>> weights = [tf.constant([1.0, 2.0])]
    >>> new, _ = rule.update(rule.init(weights), weights, [tf.constant([1.0, -1.0])], 0,
    ...                      loss=tf.constant(1.0))
    >>> new[0].numpy().round(1)
    array([0.9, 2.1], dtype=float32)
    """

    def __init__(
        self,
        units: int = 20,
        learning_rate: float = 0.01,
        retention: float = 0.9999,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = whole("units", units)
        self.learning_rate = _gate("learning_rate", learning_rate)
        self.retention = _gate("retention", retention)

    def build_for(self, fast_variables: list[keras.Variable]) -> None:
        if self.built:
            return
        self.kernel = self.add_weight(
            shape=(FEATURES + self.units, 4 * self.units),
            initializer="glorot_uniform",
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(4 * self.units,), initializer="zeros", name="bias"
        )
        # Small, so that at first both gates stand at the values that were asked for.
        small = keras.initializers.RandomNormal(stddev=1e-3)
        for name in ("forget", "input"):
            kernel = self.add_weight(
                shape=(self.units + 2,), initializer=small, name=f"{name}_kernel"
            )
            setattr(self, f"{name}_kernel", kernel)
        self.gate_bias = self.add_weight(
            shape=(2,),
            initializer=lambda shape, dtype: tf.constant(
                [_logit(self.retention), _logit(self.learning_rate)], dtype
            ),
            name="gate_bias",
        )
        self.built = True

    def init(self, weights: Any) -> Any:
        def state(weight: Any) -> Any:
            count = math.prod(weight.shape)
            hidden = tf.zeros((count, self.units), weight.dtype)
            # Gates that have not been open yet are counted as at their start.
            gates = [self.retention, self.learning_rate]
            gates = tf.tile(tf.constant([gates], weight.dtype), (count, 1))
            return hidden, tf.zeros_like(hidden), gates

        return [state(weight) for weight in weights]

    def update(
        self, state: Any, weights: Any, gradients: Any, step: Any, loss: Any = None
    ) -> Any:
        if loss is None:
            raise ValueError("LearnedOptimizer reads the inner loss; pass loss=….")
        steps = [
            self._update_one(*item, loss)
            for item in zip(state, weights, gradients, strict=True)
        ]
        return [weight for weight, _ in steps], [after for _, after in steps]

    def _update_one(self, state: Any, weight: Any, gradient: Any, loss: Any) -> Any:
        hidden, cell, gates = state
        dtype = weight.dtype
        flat, slope = tf.reshape(weight, (-1, 1)), tf.reshape(gradient, (-1, 1))
        both = [log_and_sign(slope), log_and_sign(tf.cast(loss, dtype)[None, None])]
        both[1] = tf.tile(both[1], (flat.shape[0], 1))
        # As in the papers, no derivative is taken through what the LSTM looks at.
        read = tf.stop_gradient(tf.concat(both, axis=1))
        pre = tf.concat([read, hidden], 1) @ tf.cast(self.kernel.value, dtype)
        pre += tf.cast(self.bias.value, dtype)
        keep, write, new, out = tf.split(pre, 4, axis=1)
        cell = tf.sigmoid(keep + 1) * cell + tf.sigmoid(write) * tf.tanh(new)
        hidden = tf.sigmoid(out) * tf.tanh(cell)
        bias = tf.cast(self.gate_bias.value, dtype)
        opened = []
        for place, kernel in enumerate((self.forget_kernel, self.input_kernel)):
            seen = tf.concat([hidden, flat, gates[:, place : place + 1]], axis=1)
            drive = seen @ tf.cast(kernel.value, dtype)[:, tf.newaxis]
            opened.append(tf.sigmoid(drive + bias[place]))
        moved = opened[0] * flat - opened[1] * slope
        new_state = (hidden, cell, tf.concat(opened, axis=1))
        return tf.reshape(moved, weight.shape), new_state

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "learning_rate": self.learning_rate,
            "retention": self.retention,
        }


def log_and_sign(value: tf.Tensor, range_: float = 10.0) -> tf.Tensor:
    """Numbers of any size as two of size one, on a new last axis joined to the old.

    `(log|v| / p, sign v)` where `|v| >= exp(-p)`, else `(-1, exp(p) v)`.

    Args:
        value: `[n, 1]`.
        range_: the `p` of the formula.

    Returns:
        `[n, 2]`.

    Example:

    >>> log_and_sign(tf.constant([[1.0], [-1.0], [0.0]])).numpy().tolist()
    [[0.0, 1.0], [0.0, -1.0], [-1.0, 0.0]]
    """
    size = tf.abs(value)
    least = tf.constant(math.exp(-range_), value.dtype)
    large = size >= least
    logarithm = tf.math.log(tf.maximum(size, least)) / range_
    return tf.concat(
        [
            tf.where(large, logarithm, -tf.ones_like(value)),
            tf.where(large, tf.sign(value), value / least),
        ],
        axis=-1,
    )


def _gate(name: str, value: float) -> float:
    if positive(name, value) >= 1:
        raise ValueError(f"{name} must be between 0 and 1, not {value!r}.")
    return float(value)


def _logit(value: float) -> float:
    return math.log(value / (1 - value))
