"""Accuracy over episodes with its interval, beside the baselines."""

from typing import TYPE_CHECKING

from maml_tf.lazy_imports import lazy_attributes

if TYPE_CHECKING:
    from maml_tf.evaluation.accuracy import (
        Accuracy,
        episode_accuracies,
        frozen_prototypes,
        mean_with_interval,
    )
    from maml_tf.evaluation.calibrate import calibrate_learner
    from maml_tf.evaluation.calibration import Calibration, fit_calibration
    from maml_tf.evaluation.clusters import mean_over_clusters
    from maml_tf.evaluation.features import embed_corpus
    from maml_tf.evaluation.finite import EvaluationError
    from maml_tf.evaluation.inner_steps import accuracy_by_inner_steps
    from maml_tf.evaluation.plots import plot_curves, plot_inner_steps
    from maml_tf.evaluation.transduction import predict_without_transduction

__all__ = [
    "Accuracy",
    "Calibration",
    "EvaluationError",
    "accuracy_by_inner_steps",
    "calibrate_learner",
    "embed_corpus",
    "episode_accuracies",
    "fit_calibration",
    "frozen_prototypes",
    "mean_over_clusters",
    "mean_with_interval",
    "plot_curves",
    "plot_inner_steps",
    "predict_without_transduction",
]

_HOMES = {
    "Accuracy": "accuracy",
    "Calibration": "calibration",
    "EvaluationError": "finite",
    "accuracy_by_inner_steps": "inner_steps",
    "calibrate_learner": "calibrate",
    "embed_corpus": "features",
    "episode_accuracies": "accuracy",
    "fit_calibration": "calibration",
    "frozen_prototypes": "accuracy",
    "mean_over_clusters": "clusters",
    "mean_with_interval": "accuracy",
    "plot_curves": "plots",
    "plot_inner_steps": "plots",
    "predict_without_transduction": "transduction",
}
__getattr__, __dir__ = lazy_attributes(
    __name__, {name: f"{__name__}.{home}" for name, home in _HOMES.items()}
)
