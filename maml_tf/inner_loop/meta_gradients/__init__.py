"""Ways to differentiate through the inner loop, by name or as objects."""

from typing import Any

import keras

from maml_tf.inner_loop.meta_gradients.exact import Exact
from maml_tf.inner_loop.meta_gradients.exact_recursive import ExactRecursive
from maml_tf.inner_loop.meta_gradients.exact_unrolled import ExactUnrolled
from maml_tf.inner_loop.meta_gradients.first_order import FirstOrder
from maml_tf.inner_loop.meta_gradients.implicit import Implicit
from maml_tf.inner_loop.meta_gradients.meta_gradient import MetaGradient

__all__ = [
    "META_GRADIENTS",
    "Exact",
    "ExactRecursive",
    "ExactUnrolled",
    "FirstOrder",
    "Implicit",
    "MetaGradient",
    "get_meta_gradient",
]

META_GRADIENTS = {
    "exact": Exact,
    "exact_unrolled": ExactUnrolled,
    "exact_recursive": ExactRecursive,
    "first_order": FirstOrder,
    "implicit": Implicit,
}


def get_meta_gradient(given: str | MetaGradient | dict[str, Any]) -> MetaGradient:
    """The meta-gradient of a name, of a Keras configuration, or the object itself.

    Raises:
        ValueError: for an unknown name.

    Example:

    >>> get_meta_gradient("implicit")
    Implicit(conjugate_gradient_steps=5, damping=0.0, proximal=1.0)
    """
    if isinstance(given, dict):
        given = keras.saving.deserialize_keras_object(given)
    if isinstance(given, MetaGradient):
        return given
    if given not in META_GRADIENTS:
        raise ValueError(
            f"meta_gradient={given!r} is not known; give one of "
            f"{', '.join(META_GRADIENTS)}, or an object from "
            "maml_tf.inner_loop.meta_gradients."
        )
    return META_GRADIENTS[given]()
