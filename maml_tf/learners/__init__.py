"""Meta-learners: Keras models from a task to the predictions for its queries."""

from maml_tf.learners.dropped_tasks import TrainingDivergedError
from maml_tf.learners.maml import MAML
from maml_tf.learners.meta_learner import MetaLearner
from maml_tf.learners.prototypical import PrototypicalNetwork
from maml_tf.learners.reptile import Reptile

__all__ = [
    "MAML",
    "MetaLearner",
    "PrototypicalNetwork",
    "Reptile",
    "TrainingDivergedError",
]
