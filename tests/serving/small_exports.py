"""Two small exports, made once a session, for every test of serving."""

import functools
import tempfile
from pathlib import Path
from typing import NamedTuple

import keras

from maml_tf import MAML, PrototypicalNetwork, create_model, create_text_encoder
from maml_tf.learners import MetaLearner
from maml_tf.serving import export_learner

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
