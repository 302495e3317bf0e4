"""Position embeddings that can be differentiated twice under XLA and `vectorized_map`.

Keras-NLP trims its position table with `tf.slice`. Inside a function compiled by XLA
the gradient of that slice is the op `XlaDynamicUpdateSlice`, which has neither a
gradient of its own nor a `vectorized_map` converter; MAML needs both as soon as the
position table is a fast weight. A strided slice has all of them, and the values are
the same.
"""

from typing import Any

import keras
import keras_nlp


# The name is that of the parent because Keras names the groups of a weight file after
# classes: a backbone changed here still saves to a preset that Keras-NLP alone loads.
@keras.saving.register_keras_serializable(package="maml_tf")
class PositionEmbedding(keras_nlp.layers.PositionEmbedding):
    """A `keras_nlp.layers.PositionEmbedding` trimmed by a strided slice.

    Call arguments:
        inputs: Tensor of shape [..., length, dim].
        start_index: The position of the first row.
        positions: Explicit positions, looked up instead of sliced.

    Example:

    >>> import numpy as np
    >>> layer = PositionEmbedding(sequence_length=8)
    >>> layer(np.zeros([2, 5, 4], "float32")).shape
    TensorShape([2, 5, 4])
    """

    def call(self, inputs: Any, start_index: Any = 0, positions: Any = None) -> Any:
        if positions is not None:
            return super().call(inputs, start_index=start_index, positions=positions)
        shape = keras.ops.shape(inputs)
        table = keras.ops.convert_to_tensor(self.position_embeddings)
        rows = table[start_index : start_index + shape[-2]]
        return keras.ops.broadcast_to(rows, shape)


def make_position_embeddings_differentiable(model: keras.layers.Layer) -> int:
    """Turns every Keras-NLP position embedding inside `model` into the strided kind.

    Weights, names, outputs and saved files stay as they are: only the way the table
    is trimmed changes, and only on these instances. `create_model` does it already;
    call it on a Keras-NLP model made elsewhere before meta-learning all of its
    weights with `jit_compile=True`.

    Args:
        model: Any layer or model, changed in place.

    Returns:
        The number of layers changed.

    Example:

    >>> backbone = keras_nlp.models.BertBackbone(20, 1, 1, 4, 8)
    >>> make_position_embeddings_differentiable(backbone)
    1
    >>> make_position_embeddings_differentiable(backbone)
    0
    """
    changed = 0
    for layer in model._flatten_layers():
        # An exact match: a subclass may trim its table in a way of its own.
        if type(layer) is keras_nlp.layers.PositionEmbedding:
            layer.__class__ = PositionEmbedding
            changed += 1
    return changed
