"""Which of Keras-NLP's causal language models stands on a backbone."""

from typing import Any

import keras
import keras_nlp


def causal_lm_class(backbone: keras.Model) -> Any | None:
    """Finds the task class that generates with a backbone.

    Args:
        backbone: a Keras-NLP backbone.

    Returns:
        The class of the nearest family, or None where nothing generates with it.

    Example:

    >>> backbone = keras_nlp.models.LlamaBackbone(9, 1, 1, 4, 8, 1)
    >>> causal_lm_class(backbone).__name__
    'LlamaCausalLM'
    """
    ancestors = type(backbone).__mro__
    kinds: list[Any] = [
        kind
        for kind in vars(keras_nlp.models).values()
        if isinstance(kind, type) and issubclass(kind, keras_nlp.models.CausalLM)
    ]
    fitting = [kind for kind in kinds if kind.backbone_cls in ancestors]
    nearest = sorted(fitting, key=lambda kind: ancestors.index(kind.backbone_cls))
    return nearest[0] if nearest else None
