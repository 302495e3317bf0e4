"""Meta-learners: Keras models from a task to the predictions for its queries.

The classes are imported when they are first asked for, so that `registry` can list
them without loading TensorFlow.
"""
# ruff: noqa: F401  names for type checkers; `__getattr__` gives them

from importlib import import_module
from typing import TYPE_CHECKING, Any

from maml_tf.learners.registry import registered_learners

if TYPE_CHECKING:
    from maml_tf.learners.dropped_tasks import TrainingDivergedError
    from maml_tf.learners.episode_checks import EpisodeError
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

_MODULES = {
    "EpisodeError": "maml_tf.learners.episode_checks",
    "MetaLearner": "maml_tf.learners.meta_learner",
    "TrainingDivergedError": "maml_tf.learners.dropped_tasks",
    **{entry.class_name: entry.module for entry in registered_learners().values()},
}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # All with the first, so that Keras finds every class that a saved learner names.
    for module in dict.fromkeys(_MODULES.values()):
        import_module(module)
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
