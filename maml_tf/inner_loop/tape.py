"""Watching nests of tensors on a tape, and gradients by them."""

from typing import Any

import tensorflow as tf

Tensors = list[tf.Tensor]


def watched(tape: tf.GradientTape, nest: Any) -> Any:
    """Copies of the tensors, watched: one tensor in two places must count once each."""
    copies = tf.nest.map_structure(tf.identity, nest)
    tape.watch(floating(copies))
    return copies


def floating(nest: Any) -> Tensors:
    """The floating tensors of a nest, flat; only they have gradients."""
    return [t for t in tf.nest.flatten(nest) if t.dtype.is_floating]


def gradients_like(nest: Any, flat: Tensors) -> Any:
    """The nest with its floating tensors replaced by `flat` and zeros elsewhere."""
    remaining = iter(flat)
    return tf.nest.map_structure(
        lambda t: next(remaining) if t.dtype.is_floating else tf.zeros_like(t), nest
    )


def vector_jacobian_product(
    tape: tf.GradientTape, outputs: Any, upstream: Tensors, sources: dict[str, Any]
) -> dict[str, Tensors]:
    """Gradients by the floating tensors of `sources`: by name, flat, and dense.

    Args:
        tape: the tape that watched the sources.
        outputs: a nest of tensors.
        upstream: the gradients by its floating tensors, flat.
        sources: nests of watched tensors by name.
    """
    names = sorted(sources)
    flat = [t for name in names for t in floating(sources[name])]
    gradients = iter(
        tape.gradient(
            floating(outputs),
            flat,
            output_gradients=upstream,
            unconnected_gradients="zero",
        )
    )
    return {
        name: [tf.convert_to_tensor(next(gradients)) for _ in floating(sources[name])]
        for name in names
    }
