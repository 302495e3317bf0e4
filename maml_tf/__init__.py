"""Meta-learning for chatbots in TensorFlow and Keras."""

import sys
from typing import TYPE_CHECKING

from maml_tf.lazy_imports import lazy_attributes

if TYPE_CHECKING:
    from maml_tf.base_learners import (
        create_causal_lm,
        create_model,
        create_text_encoder,
    )
    from maml_tf.bot import Bot
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
    "Bot",
    "ImplicitMAML",
    "MAMLPlusPlus",
    "MatchingNetwork",
    "MetaLearner",
    "MetaSGD",
    "ProtoMAML",
    "PrototypicalNetwork",
    "Reptile",
    "TaskSimilarityMAML",
    "create_causal_lm",
    "create_model",
    "create_text_encoder",
]

_HOMES = {
    "Bot": "maml_tf.bot",
    "create_causal_lm": "maml_tf.base_learners",
    "create_model": "maml_tf.base_learners",
    "create_text_encoder": "maml_tf.base_learners",
}
__getattr__, __dir__ = lazy_attributes(
    __name__,
    {name: _HOMES.get(name, "maml_tf.learners") for name in __all__},
    (
        "base_learners",
        "chatbot",
        "episodes",
        "evaluation",
        "inner_loop",
        "learners",
        "serving",
    ),
)

# Beside Keras nothing is saved by waiting, and `keras.models.load_model` then finds the
# classes of a saved learner after `import maml_tf` alone.
if "keras" in sys.modules:
    __getattr__("MetaLearner")
