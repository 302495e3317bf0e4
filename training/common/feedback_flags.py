"""The flags of a run that learns from feedback, and the learner they describe."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from absl import flags

from .flag_types import define_count, define_rate
from .persona_flags import (
    LanguageSettings,
    define_dialogue_flags,
    define_learner_flags,
    make_language_learner,
)

if TYPE_CHECKING:
    from maml_tf import MetaLearner

FEEDBACK = ("pairs", "thumbs", "unlikelihood")
TRAIN_SCRIPT = "training.train_feedback"


@dataclass(frozen=True)
class FeedbackSettings(LanguageSettings):
    """What a run of `training.train_feedback` was asked for."""

    feedback: str = "pairs"
    beta: float = 0.5
    replies: int = 2000
    contexts: int = 10

    @property
    def thumbs(self) -> bool:
        """Whether feedback comes as single thumbs and not as pairs."""
        return self.feedback != "pairs"


def define_feedback_flags() -> None:
    """The flags of training; a function, as in `persona_flags`."""
    define_dialogue_flags()
    define_learner_flags("pieces of feedback", "a user")
    for name, value in {
        "learner": "meta_sgd",
        "first_order": False,
        "inner_steps": 1,
        "inner_learning_rate": 0.02,
        "lora_blocks": 3,
        "max_length": 48,
        "most_support": 6,
        "query": 6,
        "tasks_per_batch": 4,
        "steps": 150,
        "validate_every": 50,
    }.items():
        flags.FLAGS.set_default(name, value)
    flags.DEFINE_enum(
        "feedback",
        "pairs",
        FEEDBACK,
        "What a user gives: pairs of replies, one liked better (DPO), or single "
        "thumbs, learned by KTO (thumbs) or by likelihood and unlikelihood.",
    )
    define_rate("beta", 0.5, "How dear it is to leave the starting weights, of DPO.")
    define_count("replies", 2000, "Replies that training users judge.", least=20)
    define_count("contexts", 10, "Turns of the other that they come after.")


def make_feedback_learner(
    settings: FeedbackSettings, base: Any, **other: Any
) -> "MetaLearner":
    """The learner of a run over an `UpperLanguageModel`, compiled.

    Args:
        settings: of the run.
        base: the base learner.
        other: keywords of the learner in place of the settings'.
    """
    from maml_tf.base_learners import PreferenceLoss, ThumbsLoss, UnlikelihoodLoss
    from maml_tf.base_learners.preferences import PreferenceAccuracy

    inner = {
        "pairs": PreferenceLoss(settings.beta),
        "thumbs": ThumbsLoss(settings.beta),
        "unlikelihood": UnlikelihoodLoss(),
    }[settings.feedback]
    return make_language_learner(
        settings,
        base,
        PreferenceLoss(settings.beta),
        metrics=[PreferenceAccuracy()],
        inner_loss=inner,
        **other,
    )
