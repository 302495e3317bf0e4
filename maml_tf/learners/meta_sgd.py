"""Meta-SGD: initial weights and a rate for every one of them, learned together."""

from typing import Any

import keras

from maml_tf.inner_loop import MetaSGDRule
from maml_tf.learners.maml import MAML

REGISTERED = {
    "meta_sgd": {
        "class_name": "MetaSGD",
        "summary": "a learned rate for each parameter",
        "paper": "arXiv 1707.09835",
        "takes": (
            "inner_steps",
            "inner_learning_rate",
            "meta_gradient",
            "fast_weights",
        ),
        "refuses": {"meta_gradient": ("implicit",)},
    },
}


@keras.saving.register_keras_serializable(package="maml_tf")
class MetaSGD(MAML):
    """Meta-SGD (Li et al. 2017, arXiv 1707.09835).

    MAML with `MetaSGDRule`: the meta-gradient also reaches the inner rate of each
    parameter, which starts at `inner_learning_rate`. The other arguments are those of
    `MAML`; the paper takes one inner step.

    Example:

    >>> learner = MetaSGD(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]))
    >>> [tuple(rate.shape) for rate in learner.inner_loop.rule.variables]
    [(2, 2), (2,)]
    """

    def __init__(
        self,
        base_learner: keras.Model,
        *,
        inner_steps: int = 1,
        inner_learning_rate: float = 0.01,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("update_rule") is None:
            # Not numbered, so that every learner's rates are found by the same names.
            kwargs["update_rule"] = MetaSGDRule(
                inner_learning_rate, name="meta_sgd_rule"
            )
        super().__init__(
            base_learner,
            inner_steps=inner_steps,
            inner_learning_rate=inner_learning_rate,
            **kwargs,
        )
