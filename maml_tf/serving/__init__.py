"""Few-shot adaptation as a SavedModel, its client and a small server.

A client of a server loads no TensorFlow; what needs it is imported when first used.
"""

from typing import TYPE_CHECKING

from maml_tf.lazy_imports import lazy_attributes
from maml_tf.serving.client import Client
from maml_tf.serving.dialogue_store import DialogueStore
from maml_tf.serving.limits import Limits
from maml_tf.serving.negatives import NEGATIVE
from maml_tf.serving.results import (
    AdaptedState,
    Answers,
    RequestError,
    ServiceError,
    StaleStateError,
)
from maml_tf.serving.saved_model import load_signatures
from maml_tf.serving.tenant_store import TenantStore

if TYPE_CHECKING:
    from maml_tf.serving.export import export_learner
    from maml_tf.serving.language_model_export import export_language_model

__all__ = [
    "NEGATIVE",
    "AdaptedState",
    "Answers",
    "Client",
    "DialogueStore",
    "Limits",
    "RequestError",
    "ServiceError",
    "StaleStateError",
    "TenantStore",
    "export_language_model",
    "export_learner",
    "load_signatures",
]

__getattr__, __dir__ = lazy_attributes(
    __name__,
    {
        "export_language_model": "maml_tf.serving.language_model_export",
        "export_learner": "maml_tf.serving.export",
    },
)
