"""Update rules: how one inner step turns gradients into new fast weights.

One contract, `init(weights) -> state` and `update(state, weights, gradients, step,
loss=None) -> (weights, state)`, from which rules are composed: `ClipByGlobalNorm(
WeightDecay(Adam(0.01), 0.001), norm=1.0)`.
"""

from maml_tf.inner_loop.update_rules.adam import Adam
from maml_tf.inner_loop.update_rules.clip_by_global_norm import ClipByGlobalNorm
from maml_tf.inner_loop.update_rules.gradient_descent import GradientDescent
from maml_tf.inner_loop.update_rules.learned_optimizer import LearnedOptimizer
from maml_tf.inner_loop.update_rules.meta_sgd_rule import MetaSGDRule
from maml_tf.inner_loop.update_rules.momentum import Momentum
from maml_tf.inner_loop.update_rules.per_layer_per_step_rates import (
    PerLayerPerStepRates,
)
from maml_tf.inner_loop.update_rules.update_rule import UpdateRule
from maml_tf.inner_loop.update_rules.weight_decay import WeightDecay

__all__ = [
    "Adam",
    "ClipByGlobalNorm",
    "GradientDescent",
    "LearnedOptimizer",
    "MetaSGDRule",
    "Momentum",
    "PerLayerPerStepRates",
    "UpdateRule",
    "WeightDecay",
]
