"""Meta-learners: Keras models from a task to the predictions for its queries."""

from maml_tf.learners.dropped_tasks import TrainingDivergedError
from maml_tf.learners.implicit_maml import ImplicitMAML
from maml_tf.learners.maml import MAML
from maml_tf.learners.maml_plus_plus import MAMLPlusPlus
from maml_tf.learners.matching import MatchingNetwork
from maml_tf.learners.meta_learner import MetaLearner
from maml_tf.learners.meta_sgd import MetaSGD
from maml_tf.learners.proto_maml import ProtoMAML
from maml_tf.learners.prototypical import PrototypicalNetwork
from maml_tf.learners.reptile import Reptile
from maml_tf.learners.rotating_prototypical import RotatingPrototypicalNetwork
from maml_tf.learners.task_similarity_maml import TaskSimilarityMAML

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
    "RotatingPrototypicalNetwork",
    "TaskSimilarityMAML",
    "TrainingDivergedError",
]
