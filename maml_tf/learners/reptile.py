"""Reptile: move the initial weights towards the adapted ones."""

from typing import Any

import keras
import tensorflow as tf

from maml_tf.inner_loop.task_gradients import sum_over_tasks
from maml_tf.learners.dropped_tasks import without_broken_inputs
from maml_tf.learners.maml import MAML


@keras.saving.register_keras_serializable(package="maml_tf")
class Reptile(MAML):
    """Reptile (Nichol et al. 2018, arXiv 1803.02999), batched over tasks.

    The meta-gradient is `theta - mean(theta')`, so that plain SGD at rate epsilon moves
    the weights exactly to `theta + epsilon * mean(theta' - theta)`; any other Keras
    optimizer may be given it. Weights that are not fast do not move. Arguments are
    those of `MAML`.

    Example:

    >>> learner = Reptile(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]))
    >>> learner.compile(keras.optimizers.SGD(0.5))
    """

    def __init__(self, base_learner: keras.Model, **kwargs: Any) -> None:
        kwargs["first_order"] = True  # nothing is differentiated through the steps
        super().__init__(base_learner, **kwargs)

    def compute_meta_gradients(self, x, y, sample_weight):
        x, finite = without_broken_inputs(x)
        fast = self.adapt(
            x["support_inputs"],
            x["support_targets"],
            training=True,
            differentiable=False,
        )
        predictions = self.predict_adapted(fast, x["query_inputs"], training=True)
        loss, kept, _ = self.outer_loss(x, y, predictions, sample_weight, finite=finite)
        count = tf.reduce_sum(tf.cast(kept, loss.dtype))
        moved = dict(
            zip(map(id, self.inner_loop.fast_variables), fast.values(), strict=True)
        )
        # Optimizers that scale the loss divide gradients again by the same factor.
        factor = self.optimizer.scale_loss(tf.ones(()))
        gradients = [tf.zeros(v.shape, v.dtype) for v in self.trainable_variables]
        for place, v in enumerate(self.trainable_variables):
            if id(v) in moved:
                total = sum_over_tasks(kept, v.value - moved[id(v)])
                mean = total / tf.cast(tf.maximum(count, 1), v.dtype)
                gradients[place] = mean * tf.cast(factor, v.dtype)
        return loss, predictions, self.drop_tasks(kept, gradients)
