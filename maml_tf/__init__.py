"""Meta-learning for chatbots in TensorFlow and Keras."""

from maml_tf.base_learners import create_model, create_text_encoder
from maml_tf.learners import (
    MAML,
    ImplicitMAML,
    MAMLPlusPlus,
    MatchingNetwork,
    MetaLearner,
    MetaSGD,
    ProtoMAML,
    PrototypicalNetwork,
    Reptile,
    TaskSimilarityMAML,
)

__all__ = [
    "MAML",
    "ImplicitMAML",
    "MAMLPlusPlus",
    "MatchingNetwork",
    "MetaLearner",
    "MetaSGD",
    "ProtoMAML",
    "PrototypicalNetwork",
    "Reptile",
    "TaskSimilarityMAML",
    "create_model",
    "create_text_encoder",
]
