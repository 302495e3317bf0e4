"""Meta-learning for chatbots in TensorFlow and Keras."""

from maml_tf.base_learners import create_model, create_text_encoder
from maml_tf.learners import MAML, MetaLearner, PrototypicalNetwork, Reptile

__all__ = [
    "MAML",
    "MetaLearner",
    "PrototypicalNetwork",
    "Reptile",
    "create_model",
    "create_text_encoder",
]
