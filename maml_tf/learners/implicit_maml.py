"""iMAML: a meta-gradient that depends on where the inner loop ends, not its path."""

from typing import Any

import keras

from maml_tf.inner_loop.meta_gradients import Implicit
from maml_tf.learners.maml import MAML

REGISTERED = {
    "implicit_maml": {
        "class_name": "ImplicitMAML",
        "summary": "the meta-gradient from where the inner loop ends",
        "paper": "arXiv 1909.04630",
        "takes": ("inner_steps", "inner_learning_rate", "update_rule", "fast_weights"),
        "refuses": {"update_rule": ("learned_rates", "per_layer_per_step", "meta_sgd")},
        "least_inner_steps": 1,
    },
}


@keras.saving.register_keras_serializable(package="maml_tf")
class ImplicitMAML(MAML):
    """Implicit MAML (Rajeswaran et al. 2019, arXiv 1909.04630).

    MAML with the `Implicit` meta-gradient: the inner loss has a proximal term that
    holds the fast weights near where they start, and the meta-gradient solves a linear
    system at the end of the loop by conjugate gradients. Memory does not grow with the
    inner steps; they have to come near the minimum. The other arguments are those of
    `MAML`.

    Example:

    >>> base = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    >>> ImplicitMAML(base, meta_gradient=Implicit(proximal=2.0)).get_config()[
    ...     "meta_gradient"]["config"]["proximal"]
    2.0
    """

    def __init__(
        self, base_learner: keras.Model, *, inner_steps: int = 16, **kwargs: Any
    ) -> None:
        kwargs.setdefault("meta_gradient", Implicit())
        super().__init__(base_learner, inner_steps=inner_steps, **kwargs)
