"""MAML++: MAML with the changes that make it train steadily, each switchable."""

from functools import partial
from typing import Any

import keras
import tensorflow as tf

from maml_tf.arguments import whole
from maml_tf.inner_loop import PerLayerPerStepRates
from maml_tf.learners.episode_checks import check_structure
from maml_tf.learners.maml import MAML
from maml_tf.learners.meta_learner import MetaGradients

REGISTERED = {
    "maml_plus_plus": {
        "class_name": "MAMLPlusPlus",
        "summary": "multi-step loss, rates per layer and step, derivative-order "
        "annealing, cosine outer rate; each switchable",
        "paper": "arXiv 1810.09502",
        "takes": (
            "inner_steps",
            "inner_learning_rate",
            "meta_gradient",
            "fast_weights",
        ),
        "refuses": {"meta_gradient": ("implicit",)},
        "least_inner_steps": 1,
    },
}


@keras.saving.register_keras_serializable(package="maml_tf")
class MAMLPlusPlus(MAML):
    """MAML++ (Antoniou et al. 2019, arXiv 1810.09502).

    On top of `MAML`, whose other arguments it takes:

    Args:
        base_learner: any Keras model from inputs to predictions.
        inner_steps: updates on the support set, 1 or more.
        multi_step_loss: train on the query loss after *every* inner step. Steps weigh
            the same at first; over `multi_step_annealing` meta-steps all weight moves
            to the last step.
        multi_step_annealing: meta-steps of that; None keeps equal weights for good.
        per_layer_per_step_rates: learn a rate for each layer and step, from
            `inner_learning_rate`; not with an `update_rule` of your own.
        first_order_steps: derivative-order annealing; for so many meta-steps the
            meta-gradient is first order.

    The cosine schedule of the outer rate is `cosine_adam`. Batch statistics per step
    are the base learner's affair: one made with `batch_statistics=True` keeps none.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> base = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    >>> learner = MAMLPlusPlus(base, inner_steps=3, multi_step_annealing=1000)
    >>> learner.compile(learner.cosine_adam(1e-3, meta_steps=1000))
    """

    def __init__(
        self,
        base_learner: keras.Model,
        *,
        inner_steps: int = 5,
        inner_learning_rate: float = 0.01,
        multi_step_loss: bool = True,
        multi_step_annealing: int | None = 1000,
        per_layer_per_step_rates: bool = True,
        first_order_steps: int = 0,
        update_rule: Any = None,
        **kwargs: Any,
    ) -> None:
        if inner_steps < 1:
            raise ValueError(f"inner_steps must be 1 or more, not {inner_steps!r}.")
        if multi_step_annealing is not None:
            whole("multi_step_annealing", multi_step_annealing, least=0)
        whole("first_order_steps", first_order_steps, least=0)
        if update_rule is None and per_layer_per_step_rates:
            update_rule = PerLayerPerStepRates(inner_learning_rate, steps=inner_steps)
        super().__init__(
            base_learner,
            inner_steps=inner_steps,
            inner_learning_rate=inner_learning_rate,
            update_rule=update_rule,
            **kwargs,
        )
        self._extras = {
            "multi_step_loss": multi_step_loss,
            "multi_step_annealing": multi_step_annealing,
            "per_layer_per_step_rates": per_layer_per_step_rates,
            "first_order_steps": first_order_steps,
        }

    @staticmethod
    def cosine_adam(
        learning_rate: float, meta_steps: int, least: float = 1e-5, **options: Any
    ) -> keras.optimizers.Adam:
        """Adam whose rate falls along a cosine to `least` over all meta-steps.

        Other options are Adam's. `global_clipnorm` keeps a task whose inner loop runs
        away, its loss still finite, from deciding the steps that follow.
        """
        share = least / learning_rate
        schedule = keras.optimizers.schedules.CosineDecay
        decay = schedule(learning_rate, meta_steps, alpha=share)
        return keras.optimizers.Adam(decay, **options)

    def step_weights(self) -> tf.Tensor:
        """The weight of the query loss after each inner step, `[inner_steps]`."""
        steps, dtype = self._options["inner_steps"], tf.as_dtype(self.variable_dtype)
        last = tf.one_hot(steps - 1, steps, dtype=dtype)
        if not self._extras["multi_step_loss"]:
            return last
        equal = tf.fill([steps], tf.constant(1 / steps, dtype))
        length = self._extras["multi_step_annealing"]
        if length is None:
            return equal
        done = tf.cast(self._meta_steps(), dtype) / max(length, 1)
        done = tf.minimum(done, 1)
        return (1 - done) * equal + done * last

    def _meta_steps(self) -> tf.Tensor:
        """How many meta-steps there have been."""
        return tf.convert_to_tensor(self.optimizer.iterations)

    def compute_meta_gradients(
        self, x: Any, y: Any, sample_weight: Any
    ) -> tuple[tf.Tensor, Any, list[Any]]:
        limit = self._extras["first_order_steps"]
        if not limit:
            return super().compute_meta_gradients(x, y, sample_weight)
        loss, predictions, gradients, kept = tf.cond(
            self._meta_steps() < limit,
            lambda: self._first_order_gradients(x, y, sample_weight),
            lambda: self._gradients(x, y, sample_weight),
        )
        return MetaGradients(loss, predictions, gradients, kept)

    def _gradients(self, x: Any, y: Any, sample_weight: Any) -> tuple:
        found: Any = super().compute_meta_gradients(x, y, sample_weight)
        loss, predictions, gradients = found
        dense = [
            tf.zeros(v.shape, v.dtype) if g is None else tf.convert_to_tensor(g)
            for g, v in zip(gradients, self.trainable_variables, strict=True)
        ]
        return loss, predictions, dense, found.kept

    def _first_order_gradients(self, x: Any, y: Any, sample_weight: Any) -> tuple:
        with self.inner_loop.differentiated_by("first_order"):
            return self._gradients(x, y, sample_weight)

    def query_losses(
        self, x: Any, y: Any, sample_weight: Any, training: bool = False
    ) -> tuple[tf.Tensor, Any]:
        steps = self._options["inner_steps"]
        if not (training and self._extras["multi_step_loss"] and steps > 1):
            return super().query_losses(x, y, sample_weight, training)
        check_structure(x)
        fast = self.adapt(
            x["support_inputs"], x["support_targets"], training=True, every_step=True
        )
        total, predictions = 0.0, None
        for step, weight in enumerate(tf.unstack(self.step_weights())):
            now = {key: tensor[:, step] for key, tensor in fast.items()}
            losses, predictions = self.losses_of(
                partial(self.predict_adapted, now, x["query_inputs"], training=True),
                x,
                y,
                sample_weight,
                training,
            )
            total += tf.cast(weight, losses.dtype) * losses
        # A task that breaks at some step is broken at all of them.
        return total, predictions

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._extras}
