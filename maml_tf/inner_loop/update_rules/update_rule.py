"""How one inner step turns gradients into new fast weights: the contract."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from maml_tf.inner_loop.tape import Tensors


class UpdateRule(keras.layers.Layer):
    """Base class of the update rules: `init` and `update`, pure in their tensors.

    A rule acts on one task. Variables that it creates in `build_for` are meta-learned
    with the rest; inside `update` they stand for tensors, so nothing is ever assigned.
    The state is a nest of tensors whose structure, shapes and dtypes stay the same from
    step to step, because the steps run in a `tf.while_loop`.

    Subclasses implement `update`, `init` when they carry a state between steps, and
    `build_for` when they own variables.

    Example:

    >>> class SignDescent(UpdateRule):
    ...     def update(self, state, weights, gradients, step, loss=None):
    ...         return [w - 0.1 * tf.sign(g) for w, g in zip(weights, gradients)], state
    >>> rule = SignDescent()
    >>> weights, _ = rule.update([], [tf.constant([1.0])], [tf.constant([7.0])], 0)
    >>> weights[0].numpy()
    array([0.9], dtype=float32)
    """

    def build_for(self, fast_variables: list[keras.Variable]) -> None:
        """Creates the rule's meta-learned variables, if it has any."""
        self.built = True

    def learned_rates(self) -> list[keras.Variable]:
        """The meta-learned step sizes among the rule's variables, for the logs."""
        return []

    def init(self, weights: Tensors) -> Any:
        """The state before the first step."""
        return []

    def update(
        self,
        state: Any,
        weights: Tensors,
        gradients: Tensors,
        step: tf.Tensor | int,
        loss: tf.Tensor | None = None,
    ) -> tuple[Tensors, Any]:
        """One step of one task.

        Args:
            state: what `init` or the step before returned.
            weights: the fast weights, without a task axis.
            gradients: of the inner loss, one dense tensor a weight.
            step: the number of the step, from 0.
            loss: the scalar inner loss at `weights`, for rules that look at it.

        Returns:
            The new weights and the new state.
        """
        raise NotImplementedError


def in_precision_of(tensor: tf.Tensor, value: float | keras.Variable) -> tf.Tensor:
    """The number in the tensor's precision, never rounded to float32 first."""
    if isinstance(value, keras.Variable):
        return tf.cast(value.value, tensor.dtype)
    return tf.constant(value, tensor.dtype)


def start_at(value: float) -> Callable[..., tf.Tensor]:
    """An initialiser that gives the number in the variable's precision.

    Keras' own `Constant` rounds it to float32 first.

    Example:

    >>> start_at(0.1)((), "float64").numpy() == 0.1
    np.True_
    """

    def initialize(shape: Any, dtype: Any = None) -> tf.Tensor:
        return tf.constant(value, dtype, shape)

    return initialize
