"""MAML: gradient descent on the support set, differentiated through."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from maml_tf.arguments import positive, whole
from maml_tf.base_learners.contracts import TextBaseLearner
from maml_tf.base_learners.errors import BaseLearnerError
from maml_tf.base_learners.head import head_of
from maml_tf.inner_loop import (
    ClipByGlobalNorm,
    GradientDescent,
    InnerLoop,
    UpdateRule,
    select_fast_variables,
)
from maml_tf.inner_loop.loop import is_seed
from maml_tf.inner_loop.meta_gradients import MetaGradient, get_meta_gradient
from maml_tf.inner_loop.problem import relative_to
from maml_tf.inner_loop.task_gradients import finite_tasks, sum_over_tasks
from maml_tf.learners.episode_checks import check_support
from maml_tf.learners.inner_losses import is_relative, make_inner_loss
from maml_tf.learners.meta_learner import MetaLearner
from maml_tf.learners.target_kinds import TargetKind, target_kind
from maml_tf.learners.task_losses import as_on_one_device

REGISTERED = {
    "maml": {
        "class_name": "MAML",
        "summary": "exact gradient through the inner steps",
        "paper": "arXiv 1703.03400",
    },
    "first_order_maml": {
        "class_name": "MAML",
        "options": {"first_order": True},
        "summary": "the same without second derivatives",
        "paper": "arXiv 1703.03400",
        "takes": ("inner_steps", "inner_learning_rate", "update_rule", "fast_weights"),
    },
    "anil": {
        "class_name": "MAML",
        "options": {"fast_weights": "head"},
        "summary": "only the head adapts",
        "paper": "arXiv 1909.09157",
    },
    "learned_optimizer": {
        "class_name": "MAML",
        "options": {"update_rule": "learned_optimizer"},
        "summary": "an LSTM opens the gates of each weight's update",
        "paper": "Ravi & Larochelle 2017; arXiv 1606.04474",
        "takes": (
            "inner_steps",
            "inner_learning_rate",
            "meta_gradient",
            "fast_weights",
        ),
        "refuses": {"meta_gradient": ("implicit",)},
    },
}


@keras.saving.register_keras_serializable(package="maml_tf")
class MAML(MetaLearner):
    """Model-agnostic meta-learning (Finn et al. 2017, arXiv 1703.03400).

    Args:
        base_learner: any Keras model from inputs to predictions.
        inner_steps: updates on the support set, zero or more.
        inner_learning_rate: step size of the default update rule.
        fast_weights: which variables the inner loop changes; see
            `maml_tf.inner_loop.select_fast_variables`. `"head"` is ANIL.
        meta_gradient: how the gradient goes through the inner loop: `"exact"`, which
            is `"exact_unrolled"` for up to 5 steps of small models, where that is
            faster, and `"exact_recursive"`, whose memory and start-up do not grow with
            the steps, for more; `"first_order"`;
            `"implicit"`; or an object from `maml_tf.inner_loop.meta_gradients`.
        first_order: short for `meta_gradient="first_order"` (FOMAML).
        inner_loss: a Keras loss or a callable from targets and predictions; by default
            the loss that the learner is compiled with, which before that is the
            cross-entropy of integer labels and logits.
        update_rule: an `UpdateRule` in place of gradient descent.
        learned_rate_multiplier: learned rates of the update rule take this part of
            the compiled optimizer's step.
        inner_gradient_clip: largest joint norm of a task's inner gradients, or None.
        vectorized: run all tasks of a batch at once.
        symmetric_head: the head starts the same for every class, from the mean of its
            weights over classes, as in UNICORN-MAML (Ye & Chao 2022, arXiv
            2106.16245). Answers then do not depend on which class has which number.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> base = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    >>> maml = MAML(base, inner_steps=2)
    >>> x = {"support_inputs": tf.ones((3, 4, 2)),
    ...      "support_targets": tf.constant([[0, 1, 0, 1]] * 3),
    ...      "query_inputs": tf.ones((3, 5, 2))}
    >>> maml(x).shape
    TensorShape([3, 5, 2])
    """

    # Of the support set's examples, how many a step sees; None for all.
    _inner_batch_size: int | None = None

    def __init__(
        self,
        base_learner: keras.Model,
        *,
        inner_steps: int = 5,
        inner_learning_rate: float = 0.01,
        fast_weights: str | Callable[[str], bool] = "all",
        meta_gradient: str | MetaGradient = "exact",
        first_order: bool = False,
        inner_loss: Any = None,
        update_rule: UpdateRule | None = None,
        inner_gradient_clip: float | None = None,
        learned_rate_multiplier: float = 1.0,
        vectorized: bool = True,
        symmetric_head: bool = False,
        **kwargs: Any,
    ) -> None:
        whole("inner_steps", inner_steps, least=0)
        if first_order and meta_gradient != "exact":
            raise ValueError("Give first_order=True or a meta_gradient, not both.")
        meta_gradients = get_meta_gradient(
            "first_order" if first_order else meta_gradient
        )
        positive("learned_rate_multiplier", learned_rate_multiplier)
        rule = update_rule or GradientDescent(inner_learning_rate)
        if inner_gradient_clip is not None:
            rule = ClipByGlobalNorm(rule, inner_gradient_clip)
        super().__init__(base_learner, **kwargs)
        self._meta_gradient = meta_gradients
        self._rule = rule
        self._options = {
            "inner_steps": inner_steps,
            "inner_learning_rate": inner_learning_rate,
            "fast_weights": fast_weights,
            "meta_gradient": meta_gradient,
            "first_order": first_order,
            "inner_loss": inner_loss,
            "update_rule": update_rule,
            "inner_gradient_clip": inner_gradient_clip,
            "learned_rate_multiplier": float(learned_rate_multiplier),
            "vectorized": vectorized,
            "symmetric_head": symmetric_head,
        }
        self._loop: InnerLoop | None = None
        self._fast_variables: list[keras.Variable] = []
        # What the learner was compiled with before it was saved.
        self._earlier_loss: Any = None

    def prepare(self) -> None:
        super().prepare()
        self._fast_variables = self.choose_fast_variables()
        self._frozen = [v for v in self.base_learner.variables if not v.trainable]
        if self._options["symmetric_head"]:
            self._check_head_is_fast()
        self._rule.build_for(self._fast_variables)
        self._loop = self.make_loop()

    def make_loop(self) -> InnerLoop:
        """The inner loop over this learner's fast weights."""
        return InnerLoop(
            self.base_learner,
            self._fast_variables,
            as_on_one_device(make_inner_loss(self.inner_loss, self._loss_weights())),
            self._rule,
            meta_gradient=self._meta_gradient,
            vectorized=self._options["vectorized"],
            batch_size=self._inner_batch_size,
            relative=is_relative(self.inner_loss),
        )

    @property
    def inner_loss(self) -> Any:
        """What the inner loop goes down on, as `compile` takes it; None by default."""
        if self._options["inner_loss"] is not None:
            return self._options["inner_loss"]
        return self.loss if self.compiled else self._earlier_loss

    def _loss_weights(self) -> Any:
        compiled = self._compile_loss if self.compiled else None
        return getattr(compiled, "_user_loss_weights", None)

    def compile(self, *arguments: Any, **keywords: Any) -> None:
        super().compile(*arguments, **keywords)
        if self.built and self._options["inner_loss"] is None:
            self._loop = self.make_loop()

    def support_targets_wanted(self) -> TargetKind:
        loss = self.inner_loss
        if isinstance(loss, (dict, list, tuple)):
            return TargetKind("any")
        return target_kind(loss, self._outputs())

    def choose_fast_variables(self) -> list[keras.Variable]:
        """The variables that the inner loop changes; called once."""
        return select_fast_variables(self.base_learner, self._options["fast_weights"])

    @property
    def inner_loop(self) -> InnerLoop:
        """The inner loop; exists once the base learner is built."""
        if self._loop is None:
            raise ValueError(
                "Call the learner or `build_from_episode` on a task first."
            )
        return self._loop

    def adapt(
        self,
        support_inputs: Any,
        support_targets: Any,
        training: bool = False,
        steps: int | None = None,
        differentiable: bool | None = None,
        every_step: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Fast weights `[tasks, ...]` by number and path.

        Args:
            support_inputs: a nest of tensors `[tasks, support, ...]`.
            support_targets: `[tasks, support, ...]`.
            training: whether layers such as dropout run in training mode.
            steps: updates to take in place of `inner_steps`.
            differentiable: whether the meta-gradient will be taken; by default in
                training.
            every_step: give the weights after each step, `[tasks, steps, ...]`, in
                one run of the loop; they are differentiable.

        Raises:
            EpisodeError: if the support set cannot be learned from.
            BaseLearnerError: if a layer that was frozen when the learner was built is
                trainable now.
        """
        check_support(support_inputs, support_targets, expected=self.expected())
        self._check_nothing_thawed()
        loop = self.inner_loop
        support_inputs = tf.nest.map_structure(tf.convert_to_tensor, support_inputs)
        support_targets = tf.nest.map_structure(tf.convert_to_tensor, support_targets)
        start, per_task = self.initial_weights(
            support_inputs, support_targets, training=training
        )
        fast = loop.adapt(
            start,
            loop.constants(),
            support_inputs,
            support_targets,
            steps=self._options["inner_steps"] if steps is None else steps,
            training=training,
            seeds=self._seeds(tf.nest.flatten(support_targets)[0], training),
            per_task=per_task,
            differentiable=training if differentiable is None else differentiable,
            every_step=every_step,
        )
        return {
            f"{i:03d}/{v.path}": t
            for i, (v, t) in enumerate(zip(loop.fast_variables, fast, strict=True))
        }

    def initial_weights(
        self, support_inputs: Any, support_targets: tf.Tensor, training: bool = False
    ) -> tuple[list[tf.Tensor], bool]:
        """The weights before the first step, and whether they have a task axis."""
        start = self.inner_loop.initial()
        if not self._options["symmetric_head"]:
            return start, False
        head = {id(v) for v in head_of(self.base_learner).trainable_variables}
        return [
            tf.broadcast_to(tf.reduce_mean(t, axis=-1, keepdims=True), t.shape)
            if id(v) in head
            else t
            for v, t in zip(self._fast_variables, start, strict=True)
        ], False

    def _check_nothing_thawed(self) -> None:
        if not any(v.trainable for v in self._frozen):
            return
        wanted = {
            id(v)
            for v in select_fast_variables(
                self.base_learner, self._options["fast_weights"]
            )
        }
        thawed = [v.path for v in self._frozen if v.trainable and id(v) in wanted]
        if thawed:
            raise BaseLearnerError(
                f"{thawed[0]} was frozen when this learner was built and is trainable "
                "now, but the inner loop does not change it; make the learner anew "
                "from the base learner, or freeze the layer again."
            )

    def _check_head_is_fast(self) -> None:
        head = head_of(self.base_learner)
        fast = {id(v) for v in self._fast_variables}
        if not isinstance(head, keras.layers.Dense) or not fast >= {
            id(v) for v in head.trainable_variables
        }:
            raise ValueError(
                "symmetric_head=True needs a base learner that ends in a Dense head, "
                "and the head among the fast weights."
            )

    def predict_adapted(
        self, fast_weights: Any, query_inputs: Any, training: bool = False
    ) -> Any:
        loop = self.inner_loop
        fast = [tf.convert_to_tensor(fast_weights[key]) for key in sorted(fast_weights)]
        inputs = tf.nest.map_structure(tf.convert_to_tensor, query_inputs)
        predictions, assigned = loop.predict(
            fast,
            loop.constants(),
            inputs,
            training=training,
            seeds=self._seeds(tf.nest.flatten(inputs)[0], training),
        )
        if training:
            self._update_state(assigned)
        return predictions

    def query_losses(
        self, x: Any, y: Any, sample_weight: Any, training: bool = False
    ) -> tuple[tf.Tensor, Any]:
        return self.losses_of(
            lambda: self(x, training=training), x, y, sample_weight, training
        )

    def losses_of(
        self,
        predict: Callable[[], Any],
        x: Any,
        y: Any,
        sample_weight: Any,
        training: bool,
    ) -> tuple[tf.Tensor, Any]:
        """The loss of each task, with what layers added to it, and the predictions.

        Args:
            predict: calls `predict_adapted` and returns its predictions.
            x, y, sample_weight, training: see `query_losses`.

        Returns:
            The losses, and the predictions that they, and metrics, are of: minus those
            of the starting weights where the compiled loss is relative to them.
        """
        with self.inner_loop.added_losses() as added:
            predictions = predict()
        if is_relative(self._loss_of_queries()):
            start = self.predict_start(x, training=training)
            predictions = relative_to(start, predictions)
        losses = self.compiled_losses(x, y, predictions, sample_weight, training)
        if type(self).compute_loss is keras.Model.compute_loss:
            losses += sum(tf.cast(more, losses.dtype) for more in added)
        return losses, predictions

    def predict_start(self, x: Any, training: bool = False) -> Any:
        """Predictions of the queries before any step, `[tasks, query, ...]`.

        Args:
            x: the episode.
            training: give tasks that are not finite no gradient.
        """
        support, targets, queries = (
            tf.nest.map_structure(tf.convert_to_tensor, x[key])
            for key in ("support_inputs", "support_targets", "query_inputs")
        )
        start, per_task = self.initial_weights(support, targets)
        loop = self.inner_loop
        return loop.predict_start(
            start, loop.constants(), queries, per_task=per_task, guarded=training
        )

    def over_features(self) -> tuple[keras.Model, "MAML"] | None:
        base = self.base_learner
        if not isinstance(base, TextBaseLearner):
            return None
        head = base.head
        if not isinstance(head, keras.layers.Dense):
            return None
        known = {id(v) for v in [*base.variables, *self._rule.variables]}
        fast = {id(v) for v in self.inner_loop.fast_variables}
        if fast != {id(v) for v in head.trainable_variables} or any(
            id(v) not in known for v in self.trainable_variables
        ):
            return None
        dim, ways = head.kernel.shape
        small = keras.Sequential(
            [keras.Input((dim,)), keras.layers.Dense(ways, name="head")]
        )
        config = {
            **self.get_config(),
            "base_learner": keras.saving.serialize_keras_object(small),
        }
        learner = type(self).from_config(config)
        learner.base_learner.set_weights(head.get_weights())
        for new, old in zip(learner._rule.variables, self._rule.variables, strict=True):
            new.assign(old)
        return base.encoder, learner

    def slow_variables(self) -> list[tuple[keras.Variable, float]]:
        multiplier = self._options["learned_rate_multiplier"]
        rates = self._rule.learned_rates() if multiplier != 1 else []
        return [(rate, multiplier) for rate in rates]

    def training_logs(self) -> dict[str, tf.Tensor]:
        rates = [tf.reshape(r.value, [-1]) for r in self._rule.learned_rates()]
        if not rates:
            return {}
        every = tf.concat(rates, 0)
        return {
            "inner_rate_mean": tf.reduce_mean(every),
            "inner_rate_smallest": tf.reduce_min(every),
            "inner_rate_largest": tf.reduce_max(every),
        }

    def _seeds(self, targets: tf.Tensor, training: bool) -> tf.Tensor | None:
        if not training or not any(map(is_seed, self.inner_loop.constant_variables)):
            return None
        return tf.range(tf.shape(targets)[0]) * 1000

    def _update_state(self, statistics: dict[int, tf.Tensor]) -> None:
        """Moves batch statistics to their mean over tasks, and on to the next seed."""
        variables = self.inner_loop.constant_variables
        for place, value in statistics.items():
            finite = finite_tasks([value])
            count = tf.reduce_sum(tf.cast(finite, value.dtype))
            mean = sum_over_tasks(finite, value) / tf.maximum(count, 1)
            variable = variables[place]
            variable.assign(tf.where(count > 0, mean, variable.value))
        for variable in filter(is_seed, variables):
            variable.assign(variable.value + tf.constant([0, 1], variable.dtype))

    def get_config(self) -> dict[str, Any]:
        config = {
            **super().get_config(),
            **{key: _serialized(value) for key, value in self._options.items()},
        }
        if self._options["inner_loss"] is None and self.inner_loss is not None:
            config["compiled_loss"] = _serialized(self.inner_loss)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "MAML":
        config = dict(config)
        earlier = config.pop("compiled_loss", None)
        learner = super().from_config(config, custom_objects)
        if earlier is not None:
            learner._earlier_loss = keras.saving.deserialize_keras_object(
                earlier, custom_objects
            )
            if learner.built:
                learner._loop = learner.make_loop()
        return learner


def _serialized(value: Any) -> Any:
    if isinstance(value, (int, float, str, type(None))):
        return value
    return keras.saving.serialize_keras_object(value)
