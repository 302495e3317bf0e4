"""Small exports, made once a session, for every test of serving."""

import functools
import tempfile
from pathlib import Path
from typing import NamedTuple

import keras

from maml_tf import (
    MAML,
    PrototypicalNetwork,
    create_causal_lm,
    create_model,
    create_text_encoder,
)
from maml_tf.base_learners import NextTokenLoss
from maml_tf.inner_loop import Adam
from maml_tf.learners import MetaLearner
from maml_tf.serving import Client, export_language_model, export_learner

SUPPORT = ["turn on the lamp", "lights on please", "play a song", "some music now"]
LABELS = ["light", "light", "music", "music"]
QUERIES = ["lamp on", "play music", "a song please with the lamp turned off for once"]
SIZES = {"num_layers": 1, "hidden_dim": 16, "num_heads": 2, "sequence_length": 32}


class Exported(NamedTuple):
    learner: MetaLearner
    folder: Path


def make_prototypical(seed: int = 0) -> PrototypicalNetwork:
    return PrototypicalNetwork(create_text_encoder(seed=seed, **SIZES), scale=0.1)


def make_maml(**options) -> MAML:
    base = create_model(num_classes=4, seed=0, **SIZES)
    return MAML(base, inner_learning_rate=0.1, inner_steps=2, **options)


def make_language_learner(seed: int = 0) -> MAML:
    base = create_causal_lm(
        "scratch:num_layers=1,hidden_dim=16,num_heads=2", lora_rank=2, seed=seed
    )
    # Scores as far apart as those of a trained model, or rounding decides.
    embedding = base.backbone.token_embedding.embeddings
    embedding.assign(20 * embedding)
    learner = MAML(
        base,
        inner_steps=5,
        update_rule=Adam(0.1),
        fast_weights="lora",
        first_order=True,
        inner_loss=NextTokenLoss(),
    )
    learner.build()
    return learner


MAKERS = {
    "prototypical": make_prototypical,
    "maml": make_maml,
}


_ROOT = tempfile.TemporaryDirectory(prefix="saved_models_")


@functools.cache
def exports(kind: str) -> Exported:
    """The export of a kind of learner, written when it is first asked for."""
    keras.utils.set_random_seed(0)
    learner = MAKERS[kind]()
    return Exported(learner, export_learner(learner, Path(_ROOT.name) / kind))


@functools.cache
def language_export() -> Exported:
    """The export of a language model that reads at most 128 bytes."""
    learner = make_language_learner()
    folder = Path(_ROOT.name) / "persona"
    return Exported(learner, export_language_model(learner, folder, max_tokens=128))


@functools.cache
def language_client() -> Client:
    """A client of its folder, in this process."""
    return Client(language_export().folder)
