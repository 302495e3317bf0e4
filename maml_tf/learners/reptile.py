"""Reptile: move the initial weights towards the adapted ones."""

from typing import Any

import keras
import tensorflow as tf

from maml_tf.arguments import whole
from maml_tf.inner_loop import Adam
from maml_tf.inner_loop.task_gradients import mask_tasks
from maml_tf.learners.maml import MAML
from maml_tf.learners.meta_learner import MetaStep

REGISTERED = {
    "reptile": {
        "class_name": "Reptile",
        "summary": "moves towards the adapted weights; Adam with `beta_1=0` inside, "
        "`inner_batch_size` examples a step",
        "paper": "arXiv 1803.02999",
        "takes": (
            "inner_steps",
            "inner_learning_rate",
            "inner_batch_size",
            "update_rule",
            "fast_weights",
        ),
        "refuses": {"update_rule": ("learned_rates", "per_layer_per_step", "meta_sgd")},
        "least_inner_steps": 1,
    },
}


@keras.saving.register_keras_serializable(package="maml_tf")
class Reptile(MAML):
    """Reptile (Nichol et al. 2018, arXiv 1803.02999), batched over tasks.

    The meta-gradient is `theta - mean(theta')`, so that plain SGD at rate epsilon moves
    the weights exactly to `theta + epsilon * mean(theta' - theta)`; any other Keras
    optimizer may be given it. Weights that are not fast do not move. Arguments are
    those of `MAML`; the default update rule is Adam with `beta_1=0`, as in the paper.
    Where the base learner normalises by the current batch, predictions are
    transductive; `maml_tf.evaluation.predict_without_transduction` gives the others.

    Args:
        base_learner: any Keras model from inputs to predictions.
        inner_learning_rate: step size of the default update rule.
        inner_batch_size: how many support examples an inner step sees at most; by
            default all. In the paper every step sees other ones, and it shows that
            what makes Reptile generalise is the product of their gradients: train with
            more shots than will be had in test, divided over the steps.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> learner = Reptile(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]))
    >>> learner.compile(Reptile.annealed_optimizer(0.5, meta_steps=1000))
    """

    def __init__(
        self,
        base_learner: keras.Model,
        *,
        inner_learning_rate: float = 0.001,
        inner_batch_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        if inner_batch_size is not None:
            whole("inner_batch_size", inner_batch_size)
        kwargs["first_order"] = True  # nothing is differentiated through the steps
        if kwargs.get("update_rule") is None:
            kwargs["update_rule"] = Adam(inner_learning_rate, beta_1=0.0)
        super().__init__(
            base_learner, inner_learning_rate=inner_learning_rate, **kwargs
        )
        self._inner_batch_size = inner_batch_size

    @staticmethod
    def annealed_optimizer(
        step_size: float = 1.0, *, meta_steps: int
    ) -> keras.optimizers.SGD:
        """The paper's outer optimizer: a step size that falls linearly to zero."""
        schedule = keras.optimizers.schedules.PolynomialDecay
        return keras.optimizers.SGD(schedule(step_size, meta_steps, 0.0))

    def meta_step(self, x: Any, y: Any, sample_weight: Any) -> MetaStep:
        fast = self.adapt(
            x["support_inputs"],
            x["support_targets"],
            training=True,
            differentiable=False,
        )
        losses, predictions = self.losses_of(
            lambda: self.predict_adapted(fast, x["query_inputs"], training=True),
            x,
            y,
            sample_weight,
            training=True,
        )
        ends = dict(
            zip(map(id, self.inner_loop.fast_variables), fast.values(), strict=True)
        )

        def gradients(weights: tf.Tensor, rest: tf.Tensor) -> list[tf.Tensor]:
            return [
                _weighted_sum(weights, v.value - ends[id(v)])
                if id(v) in ends
                else tf.zeros(v.shape, v.dtype)
                for v in self.trainable_variables
            ]

        return MetaStep(losses, predictions, gradients)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "inner_batch_size": self._inner_batch_size}


def _weighted_sum(weights: tf.Tensor, moves: tf.Tensor) -> tf.Tensor:
    """The sum over tasks of moves `[tasks, ...]`; those of no weight may be NaN."""
    moves = mask_tasks(weights > 0, moves)
    return tf.tensordot(tf.cast(weights, moves.dtype), moves, 1)
