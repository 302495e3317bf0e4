"""The inner loop: fast weights, update rules, K steps; all pure functions."""

from maml_tf.inner_loop.fast_weights import select_fast_variables
from maml_tf.inner_loop.loop import InnerLoop
from maml_tf.inner_loop.tasks import over_tasks
from maml_tf.inner_loop.update_rules import (
    Adam,
    ClipByGlobalNorm,
    GradientDescent,
    MetaSGDRule,
    Momentum,
    PerLayerPerStepRates,
    UpdateRule,
    WeightDecay,
)

__all__ = [
    "Adam",
    "ClipByGlobalNorm",
    "GradientDescent",
    "InnerLoop",
    "MetaSGDRule",
    "Momentum",
    "PerLayerPerStepRates",
    "UpdateRule",
    "WeightDecay",
    "over_tasks",
    "select_fast_variables",
]
