"""Few-shot adaptation as a SavedModel, its client and a small server."""

from maml_tf.serving.client import Client
from maml_tf.serving.export import export_learner
from maml_tf.serving.request_checks import Limits
from maml_tf.serving.results import (
    AdaptedState,
    Answers,
    RequestError,
    ServiceError,
    StaleStateError,
)
from maml_tf.serving.saved_model import load_signatures
from maml_tf.serving.tenant_store import TenantStore

__all__ = [
    "AdaptedState",
    "Answers",
    "Client",
    "Limits",
    "RequestError",
    "ServiceError",
    "StaleStateError",
    "TenantStore",
    "export_learner",
    "load_signatures",
]
