"""LoRA on the dense layers of a transformer backbone (arXiv 2106.09685).

Keras' own `enable_lora` adds two low-rank factors to a dense layer and freezes its
kernel. Four things are done differently here.
The layers apply the factors one after the other, `x @ kernel + (x @ a) @ b`, where
Keras forms the sum of the kernels first: the frozen kernel then has no gradient of its
own size to compute, and all tasks share one product with it.
The first factor of a query, key or value is one for all heads, as in the paper, so the
rank is what was asked for; Keras has one a head.
Keras saves the *merged* kernel and zeroes both factors when it loads; with both at zero
each factor's gradient is zero too, and LoRA never learns again. The layers below save
kernel and factors as they are.
Every factor gets the full path of the kernel it adapts, so that paths are unique.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import keras


class _LowRank:
    """What dense and einsum layers with factors share."""

    # Of the Keras layer that a subclass is.
    _kernel: keras.Variable
    _tracker: Any
    bias: keras.Variable | None
    activation: Callable[[Any], Any] | None
    variable_dtype: str
    add_weight: Callable[..., keras.Variable]

    def _input_axes(self) -> int:
        """How many axes of the kernel meet the inputs; they come first."""
        raise NotImplementedError

    def _product(self, inputs: Any) -> Any:
        """The inputs times kernel and factors, without bias and activation."""
        raise NotImplementedError

    def add_factors(
        self, rank: int, initializer: keras.initializers.Initializer
    ) -> None:
        """Creates the factors and freezes the kernel."""
        inputs = self._input_axes()
        kernel = self._kernel.shape
        self._tracker.unlock()
        # In float32 at least, whatever the kernel's: small updates must not vanish.
        dtype = keras.backend.result_type(self.variable_dtype, "float32")
        self.lora_kernel_a = self.add_weight(
            name="lora_kernel_a",
            shape=(*kernel[:inputs], rank),
            initializer=initializer,
            dtype=dtype,
        )
        self.lora_kernel_b = self.add_weight(
            name="lora_kernel_b",
            shape=(rank, *kernel[inputs:]),
            initializer="zeros",
            dtype=dtype,
        )
        self._kernel.trainable = False
        self._tracker.lock()
        self.lora_enabled = True
        self.lora_rank = self.lora_alpha = rank

    @property
    def kernel(self) -> Any:
        """The kernel with the factors' product added to it."""
        product = keras.ops.tensordot(self.lora_kernel_a, self.lora_kernel_b, 1)
        return keras.ops.add(self._kernel, keras.ops.cast(product, self._kernel.dtype))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        outputs = self._product(inputs)
        if self.bias is not None:
            outputs = keras.ops.add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def save_own_variables(self, store: Any) -> None:
        for index, variable in enumerate(self._own_variables()):
            store[str(index)] = variable

    def load_own_variables(self, store: Any) -> None:
        for index, variable in enumerate(self._own_variables()):
            variable.assign(store[str(index)])

    def _own_variables(self) -> list[keras.Variable]:
        variables = [self._kernel, self.bias, self.lora_kernel_a, self.lora_kernel_b]
        return [variable for variable in variables if variable is not None]


@keras.saving.register_keras_serializable(package="maml_tf")
class LowRankDense(_LowRank, keras.layers.Dense):
    """A `keras.layers.Dense` with two low-rank factors beside its frozen kernel."""

    def _input_axes(self) -> int:
        return 1

    def _product(self, inputs: Any) -> Any:
        low = keras.ops.matmul(inputs, self.lora_kernel_a)
        return keras.ops.add(
            keras.ops.matmul(inputs, self._kernel),
            keras.ops.matmul(low, self.lora_kernel_b),
        )


@keras.saving.register_keras_serializable(package="maml_tf")
class LowRankEinsumDense(_LowRank, keras.layers.EinsumDense):
    """A `keras.layers.EinsumDense` with two low-rank factors beside its kernel."""

    def _letters(self) -> tuple[str, str, str]:
        """The axes of inputs, kernel and outputs, a letter each."""
        operands, outputs = self.equation.replace(" ", "").split("->")
        return (*operands.split(","), outputs)

    def _input_axes(self) -> int:
        _, kernel, outputs = self._letters()
        return sum(letter not in outputs for letter in kernel)

    def _product(self, inputs: Any) -> Any:
        letters, kernel, outputs = self._letters()
        summed, new = kernel[: self._input_axes()], kernel[self._input_axes() :]
        kept = "".join(letter for letter in letters if letter not in summed)
        # Keras writes equations in lower case, so the capital is free.
        low = keras.ops.einsum(
            f"{letters},{summed}R->{kept}R", inputs, self.lora_kernel_a
        )
        return keras.ops.add(
            keras.ops.einsum(self.equation, inputs, self._kernel),
            keras.ops.einsum(f"{kept}R,R{new}->{outputs}", low, self.lora_kernel_b),
        )


_LOW_RANK_CLASSES = {
    keras.layers.Dense: LowRankDense,
    keras.layers.EinsumDense: LowRankEinsumDense,
}


def add_low_rank_factors(
    backbone: keras.Model,
    rank: int,
    *,
    last_blocks: int | None = None,
    seed: int | None = None,
) -> list[keras.Variable]:
    """Puts LoRA on the dense layers of a backbone's blocks and freezes the rest.

    The blocks' dense layers are query, key, value, attention output and both
    feed-forward layers. A dense layer directly under the backbone (BERT's pooler) is
    no part of a block and gets none. The second factor starts at zero, so the
    outputs are unchanged at first.

    Args:
        backbone: A built Keras-NLP backbone, changed in place.
        rank: The rank of the factors, at least 1.
        last_blocks: How many blocks get factors, the last ones; None for all. What
            lies before them runs once a task.
        seed: Makes the first factors reproducible.

    Returns:
        The new trainable variables, two a layer, each with "lora" in its path.

    Example:

    >>> import keras_nlp
    >>> backbone = keras_nlp.models.BertBackbone(20, 1, 1, 4, 8)
    >>> factors = add_low_rank_factors(backbone, 2)
    >>> len(factors), len(backbone.trainable_variables)
    (12, 12)
    >>> factors[0].path
    'transformer_layer_0/feedforward_intermediate_dense/lora_kernel_a'
    """
    outermost = {id(layer) for layer in backbone.layers}
    inside = backbone._flatten_layers(include_self=False)
    if last_blocks is not None:
        inside = [
            layer
            for block in backbone.transformer_layers[-last_blocks:]
            for layer in block._flatten_layers(include_self=False)
        ]
    dense_layers = sorted(
        (
            layer
            for layer in inside
            if type(layer) in _LOW_RANK_CLASSES and id(layer) not in outermost
        ),
        key=lambda layer: layer.kernel.path,
    )
    for variable in backbone.variables:
        variable.trainable = False
    factors = []
    for index, layer in enumerate(dense_layers):
        path = layer.kernel.path
        layer.__class__ = _LOW_RANK_CLASSES[type(layer)]
        # Variables made here are outside the parents' name scopes, which would leave
        # the factors of all layers with the same few paths.
        with contextlib.ExitStack() as scopes:
            for name in path.split("/")[:-2]:
                scopes.enter_context(keras.name_scope(name))
            layer.add_factors(
                rank,
                keras.initializers.HeUniform(
                    seed=None if seed is None else seed + index
                ),
            )
        factors += [layer.lora_kernel_a, layer.lora_kernel_b]
    return factors
