"""MAML++: MAML with the changes that make it train steadily, each switchable."""

from typing import Any

import keras
import tensorflow as tf

from maml_tf.inner_loop import InnerLoop, PerLayerPerStepRates
from maml_tf.inner_loop.update_rules import whole
from maml_tf.learners.dropped_tasks import without_broken_inputs
from maml_tf.learners.episode_checks import check_structure
from maml_tf.learners.maml import MAML

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
        self._extras = {
            "multi_step_loss": multi_step_loss,
            "multi_step_annealing": multi_step_annealing,
            "per_layer_per_step_rates": per_layer_per_step_rates,
            "first_order_steps": first_order_steps,
        }
        self._first_order_loop: InnerLoop | None = None
        if update_rule is None and per_layer_per_step_rates:
            update_rule = PerLayerPerStepRates(inner_learning_rate, steps=inner_steps)
        super().__init__(
            base_learner,
            inner_steps=inner_steps,
            inner_learning_rate=inner_learning_rate,
            update_rule=update_rule,
            **kwargs,
        )

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
        steps = self._options["inner_steps"]
        last = tf.one_hot(steps - 1, steps)
        if not self._extras["multi_step_loss"]:
            return last
        equal = tf.fill([steps], 1 / steps)
        length = self._extras["multi_step_annealing"]
        if length is None:
            return equal
        done = tf.cast(self.optimizer.iterations.value, tf.float32) / max(length, 1)
        done = tf.minimum(done, 1.0)
        return (1 - done) * equal + done * last

    def compute_meta_gradients(self, x, y, sample_weight):
        limit = self._extras["first_order_steps"]
        if not limit:
            return self._weighted_gradients(x, y, sample_weight)
        return tf.cond(
            self.optimizer.iterations.value < limit,
            lambda: self._first_order_gradients(x, y, sample_weight),
            lambda: self._weighted_gradients(x, y, sample_weight),
        )

    def _first_order_gradients(self, x, y, sample_weight):
        exact = self.inner_loop
        # A loop of its own, for each keeps the functions that it has traced.
        if self._first_order_loop is None:
            self._first_order_loop = InnerLoop(
                exact.model,
                exact.fast_variables,
                exact.loss,
                exact.rule,
                meta_gradient="first_order",
                vectorized=exact.vectorized,
            )
        self._loop = self._first_order_loop
        try:
            return self._weighted_gradients(x, y, sample_weight)
        finally:
            self._loop = exact

    def _weighted_gradients(self, x, y, sample_weight):
        check_structure(x)
        x, finite = without_broken_inputs(x)
        weights = self.step_weights()
        steps = self._options["inner_steps"]
        every_step = self._extras["multi_step_loss"] and steps > 1
        total, scaled = 0.0, 0.0
        with tf.GradientTape() as tape:
            fast = self.adapt(
                x["support_inputs"],
                x["support_targets"],
                training=True,
                every_step=every_step,
            )
            each = [fast]
            if every_step:
                each = [{k: t[:, s] for k, t in fast.items()} for s in range(steps)]
            used = tf.unstack(weights)[-len(each) :]
            for now, weight in zip(each, used, strict=True):
                predictions = self.predict_adapted(
                    now, x["query_inputs"], training=True
                )
                loss, kept, share = self.outer_loss(
                    x, y, predictions, sample_weight, finite=finite
                )
                loss *= tf.cast(weight, loss.dtype)
                total += loss
                scaled += loss / tf.cast(share, loss.dtype)
            scaled = self.optimizer.scale_loss(scaled)
        gradients = tape.gradient(
            scaled, self.trainable_variables, unconnected_gradients="zero"
        )
        # A task that breaks at some step is broken at all of them.
        return total, predictions, self.drop_tasks(kept, gradients)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._extras}
