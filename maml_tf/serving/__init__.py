"""Few-shot adaptation as a SavedModel."""

from maml_tf.serving.export import export_learner

__all__ = ["export_learner"]
