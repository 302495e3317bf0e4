"""LoRA on the dense layers of a transformer backbone (arXiv 2106.09685).

Keras has `enable_lora`, which adds two low-rank factors to a dense layer and freezes
its kernel. Two things are added here. Keras saves the *merged* kernel and zeroes both
factors when it loads; with both at zero each factor's gradient is zero too, and LoRA
never learns again. The layers below save kernel and factors as they are. And every
factor gets the full path of the kernel it adapts, so that paths are unique.
"""

import contextlib

import keras


class _SavedAsIs:
    """Stores a LoRA dense layer's variables without merging them."""

    def save_own_variables(self, store):
        for index, variable in enumerate(self._own_variables()):
            store[str(index)] = variable

    def load_own_variables(self, store):
        for index, variable in enumerate(self._own_variables()):
            variable.assign(store[str(index)])

    def _own_variables(self):
        variables = [self._kernel, self.bias, self.lora_kernel_a, self.lora_kernel_b]
        return [variable for variable in variables if variable is not None]


@keras.saving.register_keras_serializable(package="maml_tf")
class LowRankDense(_SavedAsIs, keras.layers.Dense):
    """A `keras.layers.Dense` whose LoRA factors survive saving."""


@keras.saving.register_keras_serializable(package="maml_tf")
class LowRankEinsumDense(_SavedAsIs, keras.layers.EinsumDense):
    """A `keras.layers.EinsumDense` whose LoRA factors survive saving."""


_LOW_RANK_CLASSES = {
    keras.layers.Dense: LowRankDense,
    keras.layers.EinsumDense: LowRankEinsumDense,
}


def add_low_rank_factors(
    backbone: keras.Model, rank: int, *, seed: int | None = None
) -> list[keras.Variable]:
    """Puts LoRA on the dense layers of a backbone's blocks and freezes the rest.

    The blocks' dense layers are query, key, value, attention output and both
    feed-forward layers. A dense layer directly under the backbone (BERT's pooler) is
    no part of a block and gets none. The second factor starts at zero, so the
    outputs are unchanged at first.

    Args:
        backbone: A built Keras-NLP backbone, changed in place.
        rank: The rank of the factors, at least 1.
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
    dense_layers = sorted(
        (
            layer
            for layer in backbone._flatten_layers(include_self=False)
            if type(layer) in _LOW_RANK_CLASSES and id(layer) not in outermost
        ),
        key=lambda layer: layer.kernel.path,
    )
    for variable in backbone.variables:
        variable.trainable = False
    factors = []
    for index, layer in enumerate(dense_layers):
        # `enable_lora` runs outside the parents' name scopes, which would leave the
        # factors of all layers with the same few paths.
        with contextlib.ExitStack() as scopes:
            for name in layer.kernel.path.split("/")[:-2]:
                scopes.enter_context(keras.name_scope(name))
            layer.enable_lora(
                rank,
                a_initializer=keras.initializers.HeUniform(
                    seed=None if seed is None else seed + index
                ),
            )
        layer.__class__ = _LOW_RANK_CLASSES[type(layer)]
        factors += [layer.lora_kernel_a, layer.lora_kernel_b]
    return factors
