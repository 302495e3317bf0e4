"""The base learner of MAML's sinusoid regression (arXiv 1703.03400, section 5.1)."""

from collections.abc import Sequence

import keras

from maml_tf.base_learners.errors import BaseLearnerError


def create_multilayer_perceptron(
    input_dim: int = 1,
    *,
    hidden_units: Sequence[int] = (40, 40),
    output_dim: int = 1,
    activation: str = "relu",
    seed: int | None = None,
) -> keras.Model:
    """Makes a multilayer perceptron with a linear output layer named "head".

    Args:
        input_dim: Width of the inputs.
        hidden_units: Width of each hidden layer; may be empty.
        output_dim: Width of the outputs.
        activation: Any Keras activation, of the hidden layers. One that is twice
            differentiable, "tanh" for one, makes second-order terms larger.
        seed: Makes the weights reproducible.

    Returns:
        A built functional model from [batch, `input_dim`] to [batch, `output_dim`].

    Raises:
        BaseLearnerError: A width is less than 1.

    Example:

    >>> model = create_multilayer_perceptron(2, hidden_units=[3], output_dim=1)
    >>> [variable.path for variable in model.variables]
    ['hidden_0/kernel', 'hidden_0/bias', 'head/kernel', 'head/bias']
    """
    widths = [input_dim, *hidden_units, output_dim]
    if min(widths) < 1:
        raise BaseLearnerError(f"Every width has to be at least 1; they are {widths}.")

    def initializer(index: int) -> keras.initializers.Initializer:
        layer_seed = None if seed is None else seed + index
        return keras.initializers.GlorotUniform(seed=layer_seed)

    inputs = keras.Input((input_dim,), name="inputs")
    outputs = inputs
    for index, units in enumerate(hidden_units):
        outputs = keras.layers.Dense(
            units,
            activation=activation,
            kernel_initializer=initializer(index),
            name=f"hidden_{index}",
        )(outputs)
    outputs = keras.layers.Dense(
        output_dim,
        kernel_initializer=initializer(len(hidden_units)),
        # Predictions and their losses want all digits, in mixed precision too.
        dtype=keras.config.dtype_policy().variable_dtype,
        name="head",
    )(outputs)
    return keras.Model(inputs, outputs, name="multilayer_perceptron")
