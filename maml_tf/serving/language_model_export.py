"""Writes a learner over a language model as a SavedModel that learns and writes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from maml_tf.learners import MAML, MetaLearner
from maml_tf.serving.export import write_saved_model, write_version
from maml_tf.serving.language_model import INPUTS, ServedLanguageModel, specs_of
from maml_tf.serving.limits import Limits
from maml_tf.serving.model_card import describe_language_model

DEFAULT = "generate"


def export_language_model(
    learner: MetaLearner,
    folder: str | Path,
    *,
    limits: Limits | None = None,
    max_tokens: int = 1024,
    state_dtype: str = "float16",
    card: Mapping[str, Any] | None = None,
) -> Path:
    """Writes the next version of a language model that learns from dialogues.

    It has the signatures adapt, generate (also `serving_default`) and score, each a
    second time with a task axis; what else there is, is as `export_learner` writes it.

    Args:
        learner: a built learner, `MAML` or one of its kind, over a model of
            `create_causal_lm`.
        folder: `NAME`; the version goes to `NAME/VERSION`, the next free number.
        limits, max_tokens, state_dtype: see `ServedLanguageModel`.
        card: more entries for the model card, such as what it was trained on.

    Returns:
        The folder of the version. It appears under its number only when complete.

    Raises:
        ValueError: if the learner has no language model or no inner loop, was never
            built, or an option is out of its range.
    """
    base = learner.base_learner
    if not isinstance(learner, MAML) or getattr(base, "chat_template", None) is None:
        raise ValueError(
            f"A {type(learner).__name__} over a {type(base).__name__} is no learner "
            "over a language model; make one of MAML and create_causal_lm."
        )
    if not learner.built:
        raise ValueError("Train the learner, or call its build(), before the export.")
    served = ServedLanguageModel(learner, limits, max_tokens, state_dtype)
    entries = {**describe_language_model(served), **(card or {})}

    # Keras keeps the tables of a layer that has run once.
    base.tokenizer(tf.constant([DEFAULT]))

    def write(aside: Path, name: str) -> None:
        write_saved_model(aside, name, base.tokenizer, _signatures(served), entries)

    return write_version(folder, write)


def _signatures(
    served: ServedLanguageModel,
) -> dict[str, tuple[Any, list[tf.TensorSpec]]]:
    found: dict[str, tuple[Any, list[tf.TensorSpec]]] = {}
    for name in INPUTS:
        found[name] = served.function(name), [*specs_of(name).values()]
        of_tasks = specs_of(name, tasks=True)
        function = served.function(f"{name}_tasks")
        found[f"{name}_tasks"] = function, [*of_tasks.values()]
    return {"serving_default": found[DEFAULT], **found}
