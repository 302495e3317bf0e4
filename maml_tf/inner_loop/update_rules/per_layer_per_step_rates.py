"""MAML++'s learned rate for every layer and every inner step."""

from typing import Any

import keras
import tensorflow as tf

from maml_tf.arguments import positive, whole
from maml_tf.inner_loop.update_rules.update_rule import (
    UpdateRule,
    in_precision_of,
    start_at,
)


@keras.saving.register_keras_serializable(package="maml_tf")
class PerLayerPerStepRates(UpdateRule):
    """Gradient descent at a learned rate per layer and step, the LSLR of MAML++.

    The weights of one layer share a rate (Antoniou et al. 2019, arXiv 1810.09502).
    Steps beyond `steps` use the last one's rates.

    Args:
        learning_rate: where all rates start, a positive number.
        steps: for how many inner steps rates are learned, 1 or more.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> dense = keras.layers.Dense(2, name="dense")
    >>> dense.build((None, 3))
    >>> rule = PerLayerPerStepRates(0.1, steps=4)
    >>> rule.build_for(dense.trainable_variables)
    >>> [tuple(variable.shape) for variable in rule.trainable_variables]
    [(4,)]
    """

    def __init__(
        self, learning_rate: float = 0.01, steps: int = 5, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.learning_rate = positive("learning_rate", learning_rate)
        self.steps = whole("steps", steps)
        self.rates: list[keras.Variable] = []
        self._layer_of: list[int] = []

    def build_for(self, fast_variables: list[keras.Variable]) -> None:
        if self.built:
            return
        layers = [v.path.rpartition("/")[0] for v in fast_variables]
        distinct = list(dict.fromkeys(layers))
        self._layer_of = [distinct.index(layer) for layer in layers]
        self.rates = [
            self.add_weight(
                shape=(self.steps,),
                initializer=start_at(self.learning_rate),
                name="rates_" + layer.replace("/", "_"),
            )
            for layer in distinct
        ]
        self.built = True

    def learned_rates(self) -> Any:
        return self.rates

    def update(
        self, state: Any, weights: Any, gradients: Any, step: Any, loss: Any = None
    ) -> Any:
        # A product with a one-hot row, because the gradient of a lookup is sparse.
        row = tf.one_hot(tf.minimum(step, self.steps - 1), self.steps, dtype=tf.float32)
        new = []
        for w, g, layer in zip(weights, gradients, self._layer_of, strict=True):
            rates = in_precision_of(w, self.rates[layer])
            new.append(w - tf.reduce_sum(rates * tf.cast(row, w.dtype)) * g)
        return new, state

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "learning_rate": self.learning_rate,
            "steps": self.steps,
        }
