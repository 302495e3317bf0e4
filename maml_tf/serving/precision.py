"""The same learner with smaller weights: bfloat16, or dynamic-range int8."""

from typing import Any

import keras

from maml_tf.base_learners.contracts import OnEncoder, TextBaseLearner, TextEncoding
from maml_tf.learners import MAML, MetaLearner

PRECISIONS = ("float32", "bfloat16", "int8")


def in_precision(learner: MetaLearner, precision: str) -> MetaLearner:
    """A copy of a learner whose base learner has smaller weights.

    In bfloat16 weights and arithmetic are half as long. In int8 the weights of dense
    and embedding layers have 8 bits and a scale, and what enters them is scaled to 8
    bits as it comes; such weights have no gradient, so they cannot be fast weights.

    Args:
        learner: a built learner; it is not changed.
        precision: one of `PRECISIONS`; `"float32"` gives the learner itself.

    Raises:
        ValueError: for an unknown precision, or int8 with other fast weights than the
            head.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {PRECISIONS}, not {precision!r}.")
    if precision == "float32":
        return learner
    config = learner.get_config()
    adapts = config.get("fast_weights") if isinstance(learner, MAML) else "head"
    if precision == "int8" and adapts != "head":
        raise ValueError(
            "int8 weights have no gradient: export a learner whose inner loop changes "
            "nothing or the head alone, or choose bfloat16."
        )
    if precision == "bfloat16":
        config["base_learner"] = _with_policy(config["base_learner"], "bfloat16")
    copy = type(learner).from_config(config)
    # Vocabularies are no part of a configuration, and need no copy.
    read_by = _innermost(learner.base_learner)
    if hasattr(read_by, "preprocessor"):
        _innermost(copy.base_learner).preprocessor = read_by.preprocessor
    for mine, theirs in zip(copy.variables, learner.variables, strict=True):
        mine.assign(keras.ops.cast(theirs, mine.dtype))
    if precision == "int8":
        base = copy.base_learner
        if isinstance(base, TextBaseLearner):
            base = base.encoder
        whole = base.backbone if isinstance(base, TextEncoding) else base
        for layer in whole._flatten_layers():
            if isinstance(
                layer,
                (keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Embedding),
            ):
                layer.quantize("int8")
    return copy


def _innermost(base: Any) -> Any:
    """The encoder below any heads and projections."""
    while isinstance(base, OnEncoder):
        base = base.encoder
    return base


def _with_policy(config: Any, policy: str) -> Any:
    """A serialised model in which every floating layer has another dtype policy."""
    if isinstance(config, list):
        return [_with_policy(part, policy) for part in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy":
        named = config["config"].get("name", "")
        if "float" not in named:
            return config
        return {**config, "config": {**config["config"], "name": policy}}
    return {
        key: policy
        if key == "dtype" and value == "float32"
        else _with_policy(value, policy)
        for key, value in config.items()
    }
