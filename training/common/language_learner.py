"""Learners over language models that are exported: a run's, or a plain model's."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import app, flags

from .finished import METRICS
from .persona_flags import PersonaSettings, make_persona_learner, settings_of_run
from .run import RunError, read_config

if TYPE_CHECKING:
    from maml_tf import MetaLearner

FLAGS = flags.FLAGS
JUDGED = "persona.json"
# For a model that no training prepared for its inner loop.
BLOCKS, RANK, STEPS, RATE = 8, 4, 5, 2e-3
# Flags of exports of one kind, without a meaning for the other.
OF_INTENTS = (
    "base_learner",
    "pretrained",
    "text_prefix",
    "centre_corpus",
    "scope_threshold",
    "precision",
    "class_names",
)
OF_LANGUAGE = ("state_dtype", "max_tokens")


def is_persona_run(folder: Path) -> bool:
    """Whether a folder holds a run of training.train_persona.

    Example:

    >>> is_persona_run(Path("no/such/folder"))
    False
    """
    try:
        settings_of_run(folder, PersonaSettings)
    except RunError:
        return False
    return True


def refuse_flags_of_the_other_kind(is_language_model: bool) -> None:
    """Refuses flags that would do nothing to what is exported.

    Raises:
        UsageError: naming the first of them.
    """
    others, what = (
        (OF_INTENTS, "a language model")
        if is_language_model
        else (OF_LANGUAGE, "a model of intents")
    )
    given = [name for name in others if FLAGS[name].present]
    if given:
        raise app.UsageError(f"--{given[0]} has no meaning for {what}; leave it out.")


def learner_of_persona_run(folder: Path) -> "tuple[MetaLearner, dict[str, Any]]":
    """The trained learner of a run, and what a model card says of its training.

    Raises:
        RunError: if the run has not come to its end.
    """
    from .persona_weights import check_weights, load_trained

    check_weights(folder)  # before the model below is read
    learner = make_persona_learner(settings_of_run(folder, PersonaSettings))
    load_trained(folder, learner)
    card: dict[str, Any] = {"trained_with": read_config(folder)}
    try:
        lines = (folder / METRICS).read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        card["validation"] = max(rows, key=lambda r: r["validation_log_likelihood"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # a file that somebody broke tells nothing
    try:
        judged = json.loads((folder / JUDGED).read_text(encoding="utf-8"))
        card["test"] = {"persona": judged["perplexity"]}
    except (OSError, ValueError, KeyError, TypeError):
        pass  # nobody judged it
    return learner, card


def plain_language_learner(
    preset: str, *, rank: int = RANK, blocks: int | None = None, steps: int = STEPS
) -> "MetaLearner":
    """A pretrained model whose low-rank factors are fine-tuned by Adam.

    Args:
        preset: as of `create_causal_lm`.
        rank: of the factors.
        blocks: the last blocks, which have factors; by default eight, and all of a
            model from scratch.
        steps: of Adam.

    Raises:
        BaseLearnerError: if there is no such model.
    """
    from maml_tf import MAML, create_causal_lm
    from maml_tf.base_learners import NextTokenLoss
    from maml_tf.inner_loop import Adam

    scratch = preset.startswith("scratch")
    if blocks is None and not scratch:
        blocks = BLOCKS
    base = create_causal_lm(preset, lora_rank=rank, lora_blocks=blocks, seed=0)
    learner = MAML(
        base,
        inner_steps=steps,
        update_rule=Adam(RATE),
        fast_weights="lora",
        first_order=True,
        inner_loss=NextTokenLoss(),
        vectorized=scratch,
    )
    learner.build()
    return learner
