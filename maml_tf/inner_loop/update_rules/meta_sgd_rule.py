"""Meta-SGD's learned rate for every parameter."""

from typing import Any

import keras

from maml_tf.arguments import positive
from maml_tf.inner_loop.update_rules.update_rule import (
    UpdateRule,
    in_precision_of,
    start_at,
)


@keras.saving.register_keras_serializable(package="maml_tf")
class MetaSGDRule(UpdateRule):
    """Gradient descent at a learned rate per parameter (Li et al. 2017).

    The rates have the shapes of the weights and may turn negative, so direction and
    length of a step are both learned (arXiv 1707.09835).

    Args:
        learning_rate: where all rates start, a positive number.

    Raises:
        ValueError: if the learning rate is not a positive finite number.

    Example:

    >>> dense = keras.layers.Dense(2)
    >>> dense.build((None, 3))
    >>> rule = MetaSGDRule(0.1)
    >>> rule.build_for(dense.trainable_variables)
    >>> [tuple(variable.shape) for variable in rule.trainable_variables]
    [(3, 2), (2,)]
    """

    def __init__(self, learning_rate: float = 0.01, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.learning_rate = positive("learning_rate", learning_rate)
        self.rates: list[keras.Variable] = []

    def build_for(self, fast_variables: list[keras.Variable]) -> None:
        if self.built:
            return
        self.rates = [
            self.add_weight(
                shape=variable.shape,
                initializer=start_at(self.learning_rate),
                name="rates_" + variable.path.replace("/", "_"),
            )
            for variable in fast_variables
        ]
        self.built = True

    def learned_rates(self) -> Any:
        return self.rates

    def update(
        self, state: Any, weights: Any, gradients: Any, step: Any, loss: Any = None
    ) -> Any:
        new = [
            w - in_precision_of(w, rate) * g
            for w, g, rate in zip(weights, gradients, self.rates, strict=True)
        ]
        return new, state

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "learning_rate": self.learning_rate}
