"""Accuracy over episodes with its interval, beside the baselines."""

from maml_tf.evaluation.accuracy import (
    Accuracy,
    episode_accuracies,
    frozen_prototypes,
    mean_with_interval,
)
from maml_tf.evaluation.plots import plot_curves
from maml_tf.evaluation.transduction import predict_without_transduction

__all__ = [
    "Accuracy",
    "episode_accuracies",
    "frozen_prototypes",
    "mean_with_interval",
    "plot_curves",
    "predict_without_transduction",
]
