"""How one inner step turns gradients into new fast weights.

Every rule is a Keras layer with the contract `init(weights) -> state` and
`update(state, weights, gradients, step) -> (weights, state)`, pure in its tensors and
acting on one task. Variables a rule creates in `build` are meta-learned with the rest.
"""

from typing import Any

import keras
import tensorflow as tf

Tensors = list[tf.Tensor]


class UpdateRule(keras.layers.Layer):
    """Base class of the update rules.

    Subclasses implement `update`, and `init` when they carry a state between steps.
    """

    def build_for(self, fast_variables: list[keras.Variable]) -> None:
        """Creates the rule's meta-learned variables, if it has any."""
        self.built = True

    def init(self, weights: Tensors) -> Any:
        """The state before the first step."""
        return []

    def update(
        self, state: Any, weights: Tensors, gradients: Tensors, step: tf.Tensor | int
    ) -> tuple[Tensors, Any]:
        """New weights and state from the gradients of one task."""
        raise NotImplementedError


@keras.saving.register_keras_serializable(package="maml_tf")
class GradientDescent(UpdateRule):
    """`weights - learning_rate * gradients`, the rule of the MAML paper.

    Args:
        learning_rate: the inner step size, a positive number.
        learned: make the step size a meta-learned variable per weight tensor.

    Raises:
        ValueError: if the learning rate is not a positive finite number.

    Example:

    >>> rule = GradientDescent(0.5)
    >>> weights, _ = rule.update([], [tf.constant([1.0])], [tf.constant([2.0])], 0)
    >>> weights[0].numpy()
    array([0.], dtype=float32)
    """

    def __init__(
        self, learning_rate: float = 0.01, *, learned: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.learning_rate = positive("learning_rate", learning_rate)
        self.learned = learned
        self.rates: list[keras.Variable] = []

    def build_for(self, fast_variables: list[keras.Variable]) -> None:
        if self.learned and not self.built:
            self.rates = [
                self.add_weight(
                    shape=(),
                    initializer=keras.initializers.Constant(self.learning_rate),
                    name=f"rate_{index}",
                )
                for index in range(len(fast_variables))
            ]
        self.built = True

    def update(self, state, weights, gradients, step):
        rates = self.rates or [self.learning_rate] * len(weights)
        new = [
            w - _like(rate, w) * g
            for w, g, rate in zip(weights, gradients, rates, strict=True)
        ]
        return new, state

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "learning_rate": self.learning_rate,
            "learned": self.learned,
        }


@keras.saving.register_keras_serializable(package="maml_tf")
class Adam(UpdateRule):
    """Adam inside the inner loop, with epsilon inside the square root.

    At a second moment of zero the derivative of the square root is infinite, and the
    usual `sqrt(v) + epsilon` gives NaN meta-gradients; `sqrt(v + epsilon ** 2)` does
    not.
    `beta_1=0` is the inner optimizer of Reptile (Nichol et al. 2018, arXiv 1803.02999).

    Example:

    >>> rule = Adam(0.1)
    >>> weights = [tf.constant([1.0])]
    >>> weights, _ = rule.update(rule.init(weights), weights, [tf.constant([3.0])], 0)
    >>> weights[0].numpy().round(3)
    array([0.9], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.learning_rate = positive("learning_rate", learning_rate)
        self.beta_1, self.beta_2 = beta_1, beta_2
        self.epsilon = positive("epsilon", epsilon)

    def init(self, weights):
        return [tf.zeros_like(w) for w in weights], [tf.zeros_like(w) for w in weights]

    def update(self, state, weights, gradients, step):
        first, second = state
        count = tf.cast(step, weights[0].dtype) + 1
        first = [
            self.beta_1 * m + (1 - self.beta_1) * g
            for m, g in zip(first, gradients, strict=True)
        ]
        second = [
            self.beta_2 * v + (1 - self.beta_2) * tf.square(g)
            for v, g in zip(second, gradients, strict=True)
        ]
        first_scale = 1 / (1 - tf.pow(_like(self.beta_1, count), count))
        second_scale = 1 / (1 - tf.pow(_like(self.beta_2, count), count))
        new = [
            w
            - self.learning_rate
            * (m * first_scale)
            * tf.math.rsqrt(v * second_scale + self.epsilon**2)
            for w, m, v in zip(weights, first, second, strict=True)
        ]
        return new, (first, second)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "learning_rate": self.learning_rate,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }


@keras.saving.register_keras_serializable(package="maml_tf")
class ClipByGlobalNorm(UpdateRule):
    """Scales a task's inner gradients down to a joint norm, then applies a rule.

    Args:
        rule: the update rule that receives the clipped gradients.
        norm: the largest joint Euclidean norm, a positive number.

    Example:

    >>> rule = ClipByGlobalNorm(GradientDescent(1.0), norm=1.0)
    >>> weights, _ = rule.update([], [tf.zeros(2)], [tf.constant([3.0, 4.0])], 0)
    >>> weights[0].numpy().round(2)
    array([-0.6, -0.8], dtype=float32)
    """

    def __init__(self, rule: UpdateRule, norm: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rule = rule
        self.norm = positive("norm", norm)

    def build_for(self, fast_variables):
        self.rule.build_for(fast_variables)
        self.built = True

    def init(self, weights):
        return self.rule.init(weights)

    def update(self, state, weights, gradients, step):
        squares = tf.add_n([tf.reduce_sum(tf.square(g)) for g in gradients])
        # max(norm, clip) needs no division by zero and has a finite second derivative.
        scale = tf.math.rsqrt(tf.maximum(squares / self.norm**2, 1))
        return self.rule.update(state, weights, [g * scale for g in gradients], step)

    def get_config(self) -> dict[str, Any]:
        rule = keras.saving.serialize_keras_object(self.rule)
        return {**super().get_config(), "rule": rule, "norm": self.norm}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ClipByGlobalNorm":
        config = dict(config)
        config["rule"] = keras.saving.deserialize_keras_object(config["rule"])
        return cls(**config)


def _like(value: float | keras.Variable, tensor: tf.Tensor) -> tf.Tensor:
    """The number in the tensor's precision, never rounded to float32 first."""
    if isinstance(value, keras.Variable):
        return tf.cast(value.value, tensor.dtype)
    return tf.constant(value, tensor.dtype)


def positive(name: str, value: float) -> float:
    """The value as a float, or a ValueError that names the argument."""
    if not 0 < float(value) < float("inf"):
        raise ValueError(f"{name} must be a positive number, not {value!r}.")
    return float(value)
