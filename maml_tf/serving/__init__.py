"""Few-shot adaptation as a SavedModel."""

from maml_tf.serving.export import export_learner
from maml_tf.serving.request_checks import Limits
from maml_tf.serving.saved_model import load_signatures

__all__ = ["Limits", "export_learner", "load_signatures"]
