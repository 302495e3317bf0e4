"""Which variables of a base learner the inner loop changes."""

from collections.abc import Callable

import keras

from maml_tf.base_learners.head import head_of

FastWeights = str | Callable[[str], bool]
NAMED = ("all", "all_but_embeddings", "head", "lora")


def _has_embedding(path: str) -> bool:
    return "embedding" in path.lower()


def select_fast_variables(
    base_learner: keras.Model, fast_weights: FastWeights
) -> list[keras.Variable]:
    """Picks the trainable variables that the inner loop changes.

    Args:
        base_learner: a built Keras model.
        fast_weights: `"all"`; `"all_but_embeddings"` (the usual choice for text: a
            dense gradient of the whole vocabulary per task and step costs more than the
            transformer); `"head"`, the last layer that owns trainable weights, which
            makes MAML into ANIL (Raghu et al. 2020, arXiv 1909.09157); `"lora"`, the
            low-rank factors; or a predicate on the variable's path.

    Returns:
        The chosen variables in the model's own order; the others stay shared.

    Raises:
        ValueError: for an unknown name, or when nothing is chosen.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="body"),
    ...                           keras.layers.Dense(2, name="head")])
    >>> [variable.name for variable in select_fast_variables(model, "head")]
    ['kernel', 'bias']
    """
    trainable = list(base_learner.trainable_variables)
    if callable(fast_weights):
        chosen = [v for v in trainable if fast_weights(v.path)]
    elif fast_weights == "all":
        chosen = trainable
    elif fast_weights == "all_but_embeddings":
        chosen = [v for v in trainable if not _has_embedding(v.path)]
    elif fast_weights == "lora":
        chosen = [v for v in trainable if "lora" in v.path]
    elif fast_weights == "head":
        head = {id(v) for v in head_of(base_learner).trainable_variables}
        chosen = [v for v in trainable if id(v) in head]
    else:
        raise ValueError(
            f"fast_weights={fast_weights!r} is not known; give one of {NAMED} or a "
            "function from a variable's path to True or False."
        )
    if not chosen:
        raise ValueError(
            f"fast_weights={fast_weights!r} chooses no trainable variable of "
            f"{base_learner.name!r}; its paths are {[v.path for v in trainable][:8]}."
        )
    return chosen
