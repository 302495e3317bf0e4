"""Losses of feedback on replies: of pairs, one liked better, and of single thumbs.

An example is a piece of feedback, `[replies, length]`: two replies to one context, or
one alone. Targets `[examples, replies, length]` are 1 for the tokens of a reply that is
liked, -1 for those of one that is not, and 0 for context and padding; predictions are
what a causal language model gives, the log-likelihood of each token.
"""

from typing import Any

import keras
import tensorflow as tf

from maml_tf.arguments import positive

# Probabilities nearer to 1 have no logarithm of their complement.
_LARGEST_LOG_LIKELIHOOD = -1e-6


def evidence(targets: Any, log_likelihoods: Any) -> tf.Tensor:
    """How much likelier what is liked is than what is not, `[examples]`.

    It is the log-likelihood of liked replies minus that of disliked ones. Of
    log-likelihoods minus those of the starting weights it is the implicit reward of DPO
    without its factor.

    Example:

    >>> evidence([[[0.0, 1.0], [0.0, -1.0]]], [[[-9.0, -2.0], [-9.0, -5.0]]]).numpy()
    array([3.], dtype=float32)
    """
    log_likelihoods = keras.ops.convert_to_tensor(log_likelihoods)
    targets = keras.ops.cast(targets, log_likelihoods.dtype)
    return tf.reduce_sum(targets * log_likelihoods, axis=(-2, -1))


class _RelativeLoss(keras.losses.Loss):
    """A loss of how much the evidence has grown since the start."""

    # Learners then give predictions minus those of the starting weights.
    relative_to_start = True

    def __init__(self, beta: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.beta = positive("beta", beta)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta": self.beta}


@keras.saving.register_keras_serializable(package="maml_tf")
class PreferenceLoss(_RelativeLoss):
    """Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290).

    `-log sigmoid(beta * evidence)`, the evidence relative to the starting weights of
    the learner, which are the reference policy. See the module on targets.

    Args:
        beta: how dear it is to leave the starting weights.

    Example:

    >>> loss = PreferenceLoss(beta=1.0)
    >>> float(loss([[[1.0, 1.0], [-1.0, 0.0]]], [[[0.0, 0.0], [0.0, 0.0]]]))
    0.6931471824645996
    """

    def __init__(self, beta: float = 0.1, name: str = "preference", **kwargs: Any):
        super().__init__(beta, name=name, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        return tf.math.softplus(-self.beta * evidence(y_true, y_pred))


@keras.saving.register_keras_serializable(package="maml_tf")
class ThumbsLoss(_RelativeLoss):
    """Kahneman-Tversky optimisation (Ethayarajh et al. 2024, arXiv 2402.01306).

    `1 - sigmoid(beta * evidence)` of single replies, thumbs up or down; liked and
    disliked weigh the same, and the reference point is 0: a few replies of one person
    are too few for an estimate of the distance to the starting weights.

    Args:
        beta: how soon the loss saturates.

    Example:

    >>> loss = ThumbsLoss(beta=1.0)
    >>> round(float(loss([[[-1.0, -1.0]]], [[[-2.0, -3.0]]])), 4)
    0.0067
    """

    def __init__(self, beta: float = 0.1, name: str = "thumbs", **kwargs: Any):
        super().__init__(beta, name=name, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        return tf.sigmoid(-self.beta * evidence(y_true, y_pred))


@keras.saving.register_keras_serializable(package="maml_tf")
class UnlikelihoodLoss(keras.losses.Loss):
    """Likelihood of what is liked, unlikelihood of what is not.

    The mean over a reply's tokens of `-log p` where it is liked and of `-log(1 - p)`
    where it is not (Welleck et al. 2020, arXiv 1908.04319). The starting weights play
    no part.

    Example:

    >>> loss = UnlikelihoodLoss()
    >>> half = -0.6931472
    >>> round(float(loss([[[1.0, 0.0]], [[-1.0, 0.0]]], [[[half, -9.0]]] * 2)), 3)
    0.693
    """

    def __init__(self, name: str = "unlikelihood", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        y_pred = keras.ops.convert_to_tensor(y_pred)
        y_true = keras.ops.cast(y_true, y_pred.dtype)
        sure = tf.minimum(y_pred, tf.cast(_LARGEST_LOG_LIKELIHOOD, y_pred.dtype))
        against = tf.math.log(-tf.math.expm1(sure))
        each = tf.where(y_true > 0, y_pred, against)
        total = tf.reduce_sum(tf.abs(y_true) * each, axis=(-2, -1))
        return -total / tf.maximum(tf.reduce_sum(tf.abs(y_true), axis=(-2, -1)), 1)


@keras.saving.register_keras_serializable(package="maml_tf")
class PreferenceAccuracy(keras.metrics.Mean):
    """The share of pairs whose liked reply has become likelier than the other.

    Compiled with a loss relative to the start, as `PreferenceLoss` is.

    Example:

    >>> metric = PreferenceAccuracy()
    >>> metric.update_state([[[1.0], [-1.0]]], [[[0.5], [0.2]]])
    >>> float(metric.result())
    1.0
    """

    def __init__(self, name: str = "preference_accuracy", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        agrees = keras.ops.cast(evidence(y_true, y_pred) > 0, self.dtype)
        super().update_state(agrees, sample_weight)
