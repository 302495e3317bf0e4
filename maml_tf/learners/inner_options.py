"""What can be said about an inner loop in words, known without loading TensorFlow."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maml_tf.inner_loop import UpdateRule

# The options of an inner loop, in the order in which a learner refuses them.
INNER_OPTIONS = (
    "inner_steps",
    "inner_learning_rate",
    "inner_batch_size",
    "meta_gradient",
    "update_rule",
    "fast_weights",
)
META_GRADIENTS = (
    "exact",
    "exact_unrolled",
    "exact_recursive",
    "first_order",
    "implicit",
)
FAST_WEIGHTS = ("all", "all_but_embeddings", "head", "lora")
# Name to class and options beside the rate.
UPDATE_RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "gradient_descent": ("GradientDescent", {}),
    "learned_rates": ("GradientDescent", {"learned": True}),
    "momentum": ("Momentum", {}),
    "adam": ("Adam", {}),
    "per_layer_per_step": ("PerLayerPerStepRates", {}),
    "meta_sgd": ("MetaSGDRule", {}),
}
# Not a choice beside the others: a learner of its own stands for it.
LEARNED_OPTIMIZER = "learned_optimizer"
# These have weights of their own, which only a gradient through the steps can teach.
LEARNED_RULES = ("learned_rates", "per_layer_per_step", "meta_sgd")


def make_update_rule(
    name: str, learning_rate: float, *, inner_steps: int = 1
) -> "UpdateRule":
    """The update rule of a name.

    Args:
        name: one of `UPDATE_RULES`, or "learned_optimizer".
        learning_rate: its step size, or what its step size starts from.
        inner_steps: how many steps there will be, for rules with a rate for each.

    Raises:
        ValueError: for an unknown name.

    Example:

    >>> make_update_rule("momentum", 0.1).learning_rate
    0.1
    """
    if name not in (*UPDATE_RULES, LEARNED_OPTIMIZER):
        raise ValueError(
            f"update_rule={name!r} is not known; give one of {', '.join(UPDATE_RULES)}."
        )
    kind, options = UPDATE_RULES.get(name, ("LearnedOptimizer", {}))
    if kind == "PerLayerPerStepRates":
        options = {"steps": max(inner_steps, 1)}
    rules = import_module("maml_tf.inner_loop.update_rules")
    return getattr(rules, kind)(learning_rate=learning_rate, **options)
