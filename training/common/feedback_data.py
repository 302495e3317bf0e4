"""Replies of a run as tensors: drawn, tokenised, run through lower blocks once."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from maml_tf.base_learners.split_language_model import (
    ReplyStates,
    UpperLanguageModel,
    reply_states,
)
from maml_tf.episodes.dialogue_tokens import encode_dialogues
from maml_tf.episodes.dialogues import DialogueCorpus
from maml_tf.episodes.feedback_episodes import DrawUser
from maml_tf.episodes.reply_pool import ReplyPool, draw_reply_pool
from maml_tf.episodes.simulated_users import draw_user
from maml_tf.episodes.tastes import TASTES, training_words

from .feedback_flags import FeedbackSettings
from .files import kept_arrays
from .persona_flags import make_language_model
from .persona_weights import load_initial
from .run import RunError, weights_digest

# Validation and test users need fewer replies: they are few.
SIZES = {"validation": (192, 3), "test": (384, 6)}
# Of a reply, without marks.
WORDS = (4, 9)


def make_pools(
    corpus: DialogueCorpus, settings: FeedbackSettings, parts: tuple[str, ...]
) -> dict[str, ReplyPool]:
    """The replies of each part, those of its own people.

    Raises:
        CorpusError: if there are too few.
    """
    sizes = {"train": (settings.replies, settings.contexts), **SIZES}
    return {
        part: draw_reply_pool(
            corpus.split(part),
            replies=sizes[part][0],
            contexts=sizes[part][1],
            words=WORDS,
            tastes=TASTES[part] if part != "train" else (),
            seed=settings.seed,
        )
        for part in parts
    }


def users_of(part: str, pool: ReplyPool) -> DrawUser:
    """What draws the users of a part; some in training look at words of its replies."""
    words = training_words(pool.replies) if part == "train" else ()
    return lambda random: draw_user(part, random, words)


def make_upper_model(
    corpus: DialogueCorpus, settings: FeedbackSettings
) -> UpperLanguageModel:
    """The model that is adapted, with its initial weights; it says the corpus' words.

    Raises:
        RunError: if all blocks have factors, so that there is nothing to keep.
    """
    model = make_language_model(settings)
    blocks = len(model.backbone.transformer_layers)
    adapted = settings.lora_blocks or blocks
    if settings.lora_rank is None or adapted >= blocks:
        raise RunError(
            f"Give --lora_rank, and --lora_blocks less than {blocks}, the number of "
            "the model's blocks: what lies below them runs once a reply."
        )
    texts = [turn.text for dialogue in corpus.dialogues for turn in dialogue.turns]
    words = {token for row in model.tokenize(texts) for token in row}
    words |= set(model.chat_template.after_turn)
    upper = UpperLanguageModel(model, blocks - adapted, sorted(words))
    if settings.start_from is not None:
        load_initial(Path(settings.start_from), upper)
    return upper


def states_of(
    upper: UpperLanguageModel, pool: ReplyPool, settings: FeedbackSettings, folder: Path
) -> ReplyStates:
    """The states of a pool's replies, computed once and kept in a folder."""
    model = upper.model
    # A system prompt before every one-line context would cost more than both.
    template = dataclasses.replace(model.chat_template, start=())
    encoded = encode_dialogues(
        pool.dialogues(), model.tokenize, template, max_length=settings.max_length
    )
    found = hashlib.sha256(weights_digest(upper.lower).encode())
    for array in (*encoded.token_ids, np.array(upper.words)):
        found.update(array.tobytes())
    path = folder / f"states-{found.hexdigest()[:12]}.npz"
    arrays = kept_arrays(
        path, lambda: vars(reply_states(upper, encoded.token_ids, encoded.own))
    )
    return ReplyStates(**arrays)
