"""The contract of every learner, and its one training step."""

from collections.abc import Callable
from typing import Any, NamedTuple, final

import keras
import numpy as np
import tensorflow as tf

from maml_tf.base_learners.contracts import TextBaseLearner, check_base_learner
from maml_tf.inner_loop.task_gradients import finite_tasks
from maml_tf.learners.class_weights import multiply_weights
from maml_tf.learners.dropped_tasks import (
    DroppedTasks,
    all_usable,
    without_broken_inputs,
    zero_unless,
)
from maml_tf.learners.episode_checks import Expected, check_structure
from maml_tf.learners.inner_losses import is_relative
from maml_tf.learners.keras_entry_points import KerasEntryPoints
from maml_tf.learners.several_workers import logs_over_workers
from maml_tf.learners.target_kinds import TargetKind, target_kind
from maml_tf.learners.task_losses import (
    as_on_one_device,
    losses_of_tasks,
    number_over_devices,
    only_tasks,
    sums_over_tasks,
)


class _BuiltWhenMade(type(keras.Model)):  # type: ignore[misc]
    """Builds a learner of a built base learner after the last `__init__` has run."""

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        learner = super().__call__(*arguments, **keywords)
        if learner.base_learner.built and not learner.built:
            learner.build()
        return learner


class MetaStep(NamedTuple):
    """What a learner makes of a batch of tasks in training.

    Attributes:
        losses: the loss of each task, `[tasks]`, not finite where a task is broken.
        predictions: a nest of tensors `[tasks, query, ...]`.
        gradients: from the weight of each task in the loss, `[tasks]`, zero for those
            that are left out, and the weight of what is no task's own, such as
            regularisers, a scalar, to a gradient for each trainable variable.
        penalty: the loss that is no task's own, a scalar.
    """

    losses: tf.Tensor
    predictions: Any
    gradients: Callable[[tf.Tensor, tf.Tensor], list[Any]]
    penalty: Any = 0.0


class MetaGradients(tuple):
    """The loss, the predictions and the gradients of a step; `kept` `[tasks]`."""

    kept: tf.Tensor | None = None

    def __new__(
        cls, loss: Any, predictions: Any, gradients: list[Any], kept: Any
    ) -> "MetaGradients":
        made = super().__new__(cls, (loss, predictions, gradients))
        made.kept = kept
        return made


class MetaLearner(KerasEntryPoints, metaclass=_BuiltWhenMade):
    """A Keras model whose input is a task and whose output is the query predictions.

    Input `x` is a dict of `support_inputs` `[tasks, support, ...]` (a tensor or a dict
    of tensors), `support_targets` `[tasks, support, ...]` and `query_inputs`
    `[tasks, query, ...]`; targets `y` are `[tasks, query, ...]`; the output is
    `[tasks, query, ...]`. Sample weights are `[tasks]` or `[tasks, query, ...]`.

    A learner is written by implementing `adapt` and `predict_adapted`. If its loss is
    another than the compiled one of its predictions, it overrides `query_losses`; if
    its meta-gradient is not the derivative of that loss, `meta_step`; if it has
    variables of its own, `prepare`. The training step, the same for all, sees to the
    rest: a task whose loss, inner or outer, is NaN or infinite is left out of the
    meta-gradient, which is the mean over the others, and of loss and metrics, and is
    counted in the metric `dropped_tasks`; class weights and sample weights multiply.

    Metrics see the queries of all tasks as one batch, `[tasks * query, ...]`.

    Args:
        base_learner: the Keras model that is meta-trained.
        largest_dropped_share: training stops with a `TrainingDivergedError` when more
            than this share of an epoch's tasks so far has been left out.

    Raises:
        BaseLearnerError: if the base learner is no Keras model.

    Example:

    >>> class NearestExample(MetaLearner):
    ...     def adapt(self, support_inputs, support_targets, training=False):
    ...         return {"vectors": support_inputs,
    ...                 "labels": tf.one_hot(support_targets, 2)}
    ...     def predict_adapted(self, fast_weights, query_inputs, training=False):
    ...         scores = tf.matmul(query_inputs, fast_weights["vectors"],
    ...                            transpose_b=True)
    ...         return tf.matmul(tf.nn.softmax(scores), fast_weights["labels"])
    >>> learner = NearestExample(keras.Sequential([keras.layers.Identity()]))
    >>> x = {"support_inputs": tf.eye(2)[None], "query_inputs": 9 * tf.eye(2)[None],
    ...      "support_targets": tf.constant([[0, 1]])}
    >>> learner.predict(x, verbose=0).round(2).tolist()
    [[[1.0, 0.0], [0.0, 1.0]]]
    """

    def __init__(
        self,
        base_learner: keras.Model,
        *,
        largest_dropped_share: float = 0.5,
        **kwargs: Any,
    ) -> None:
        check_base_learner(base_learner)
        if not 0 <= largest_dropped_share <= 1:
            raise ValueError(
                "largest_dropped_share must be from 0 to 1, not "
                f"{largest_dropped_share!r}."
            )
        # The base learner keeps its precision. Targets, inner updates and distances
        # need more than a low or mixed one, to which Keras would round them.
        dtype = keras.backend.result_type(base_learner.variable_dtype, "float32")
        super().__init__(autocast=False, dtype=dtype, **kwargs)
        self.base_learner = base_learner
        self.largest_dropped_share = largest_dropped_share
        self.dropped_tasks = DroppedTasks()

    def adapt(
        self, support_inputs: Any, support_targets: Any, training: bool = False
    ) -> Any:
        """Fast weights `[tasks, ...]` by name, learned from the support sets."""
        raise NotImplementedError

    def predict_adapted(
        self, fast_weights: Any, query_inputs: Any, training: bool = False
    ) -> Any:
        """Predictions `[tasks, query, ...]` for the queries under the fast weights."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Creates variables; called once, when the base learner has its own."""

    def over_features(self) -> "tuple[keras.Model, MetaLearner] | None":
        """An encoder, and this learner over its features, if adapting leaves it alone.

        Episodes over one corpus can then share one run of the encoder per example.
        None where adaptation changes the encoder.
        """
        return None

    def number_of_classes(self) -> int | None:
        """How many classes the predictions can name; None where it is not fixed."""
        if isinstance(self.base_learner, TextBaseLearner):
            return self.base_learner.num_classes
        outputs = self._outputs()
        return outputs[-1] if outputs else None

    def build(self, input_shape: Any = None) -> None:
        """Creates what is missing; `input_shape` is a nest like an episode's."""
        if self.built:
            return
        if not self.base_learner.built:
            self.base_learner.build(
                keras.tree.map_shape_structure(
                    lambda shape: (None, *shape[2:]), input_shape["query_inputs"]
                )
            )
        self.prepare()

    def build_from_episode(self, x: dict[str, Any]) -> None:
        """Creates the variables of an unbuilt base learner from one batch of tasks."""
        if self.built:
            return
        check_structure(x)
        if not self.base_learner.built:
            self.base_learner(
                tf.nest.map_structure(
                    lambda t: tf.convert_to_tensor(t)[0, :1], x["query_inputs"]
                )
            )
        self.build(tf.nest.map_structure(lambda t: tuple(np.shape(t)), x))

    def call(self, x: dict[str, Any], training: bool = False) -> Any:
        check_structure(x)
        fast = self.adapt(x["support_inputs"], x["support_targets"], training=training)
        return self.predict_adapted(fast, x["query_inputs"], training=training)

    def query_losses(
        self, x: Any, y: Any, sample_weight: Any, training: bool = False
    ) -> tuple[tf.Tensor, Any]:
        """The loss of each task on its queries, `[tasks]`, and the predictions.

        Args:
            x: the episode.
            y: query targets `[tasks, query, ...]`.
            sample_weight: `[tasks]` or `[tasks, query, ...]`, class weights included,
                or None.
            training: whether layers such as dropout run in training mode.
        """
        if is_relative(self._loss_of_queries()):
            raise ValueError(
                f"{type(self).__name__} has no starting weights that its predictions "
                "could be relative to; take MAML or one of its kind, or another loss."
            )
        predictions = self(x, training=training)
        return self.compiled_losses(x, y, predictions, sample_weight, training), (
            predictions
        )

    @final
    def compiled_losses(
        self, x: Any, y: Any, predictions: Any, sample_weight: Any, training: bool
    ) -> tf.Tensor:
        """The compiled loss of each task, `[tasks]`, of predictions that were made.

        A `compute_loss` that a subclass has is asked instead. A task that is broken has
        a loss that is not finite, and no gradient.
        """
        own = type(self).compute_loss is not keras.Model.compute_loss
        if not own and self._compile_loss is None:
            raise ValueError("Give compile() a loss.")

        def loss(episode: Any, predicted: Any) -> tf.Tensor:
            x, y, weight = episode
            if own:
                return self._compute_loss(x, y, predicted, weight, training)
            return self._compile_loss(y, predicted, weight)

        return losses_of_tasks(
            as_on_one_device(loss),
            (x, y, sample_weight),
            predictions,
            guarded=training,
        )

    def meta_step(self, x: Any, y: Any, sample_weight: Any) -> MetaStep:
        """Losses, predictions and, by automatic differentiation, their gradients."""
        with tf.GradientTape() as tape:
            losses, predictions = self.query_losses(x, y, sample_weight, training=True)
            penalty = self.penalty()

        def gradients(weights: tf.Tensor, rest: tf.Tensor) -> list[Any]:
            return tape.gradient(
                [losses, penalty],
                self.trainable_variables,
                output_gradients=[weights, rest],
            )

        return MetaStep(losses, predictions, gradients, penalty)

    def penalty(self) -> tf.Tensor:
        """The regularisers of the meta-learned weights, and what `add_loss` added."""
        total = tf.zeros((), keras.backend.floatx())
        if type(self).compute_loss is not keras.Model.compute_loss:
            return total  # it is for `compute_loss` to add them
        for loss in self.losses:
            total += tf.cast(tf.reduce_sum(loss), total.dtype)
        return total

    def compute_meta_gradients(
        self, x: Any, y: Any, sample_weight: Any
    ) -> tuple[tf.Tensor, Any, list[Any]]:
        """The outer loss, the query predictions and the gradient of each variable.

        They are those of the tasks that are whole; the others are counted.
        """
        x, finite = without_broken_inputs(x)
        step = self.meta_step(x, y, sample_weight)
        kept = finite & tf.math.is_finite(step.losses)
        kept &= finite_tasks(tf.nest.flatten(step.predictions))
        dtype = step.losses.dtype
        weights = tf.cast(kept, dtype)
        if not sums_over_tasks(self._compile_loss):
            weights /= number_over_devices(kept, dtype)
        # Optimizers that scale the loss divide gradients again by the same factor.
        scale = tf.cast(self.optimizer.scale_loss(tf.ones(())), dtype)
        devices = tf.distribute.get_strategy().num_replicas_in_sync
        gradients = step.gradients(weights * scale, scale / devices)
        if not isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            # Those that scale look for infinity themselves.
            whole = all_usable(gradients)
            gradients = zero_unless(whole, gradients)
            kept &= whole
        self.dropped_tasks.update_state(kept)
        loss = self._total(step.losses, kept, step.penalty)
        return MetaGradients(loss, step.predictions, gradients, kept)

    def check_dropped_tasks(self) -> None:
        """Raises TrainingDivergedError if too many tasks of the epoch were dropped."""
        self.dropped_tasks.check(self.largest_dropped_share)

    def slow_variables(self) -> list[tuple[keras.Variable, float]]:
        """Variables of which only a part of the optimizer's step is taken."""
        return []

    def training_logs(self) -> dict[str, tf.Tensor]:
        """What a training step logs besides loss and metrics."""
        return {}

    @final
    def train_step(self, data: Any) -> dict[str, Any]:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if self._class_weights is not None:
            weights = self._class_weights.of(y, keras.backend.floatx())
            sample_weight = multiply_weights(weights, sample_weight)
        found = self.compute_meta_gradients(x, y, sample_weight)
        loss, predictions, gradients = found
        kept = getattr(found, "kept", None)
        if kept is None:
            kept = tf.fill(tf.shape(tf.nest.flatten(predictions)[0])[:1], True)
        count = tf.reduce_sum(tf.cast(kept, tf.int32))
        self._loss_tracker.update_state(loss, sample_weight=count)
        # A smaller gradient would not do: Adam divides its size out again.
        slow = [(v, m, tf.identity(v.value)) for v, m in self.slow_variables()]
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )
        for variable, multiplier, before in slow:
            variable.assign(before + multiplier * (variable.value - before))
        x, y, predictions, sample_weight = only_tasks(
            kept, (x, y, predictions, sample_weight)
        )
        logs = self.compute_metrics(x, y, predictions, sample_weight)
        return logs_over_workers({**logs, **self.training_logs()})

    @final
    def test_step(self, data: Any) -> dict[str, Any]:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        losses, predictions = self.query_losses(x, y, sample_weight, training=False)
        loss = self._total(losses, tf.ones_like(losses, tf.bool), self.penalty())
        self._loss_tracker.update_state(loss, sample_weight=tf.size(losses))
        return logs_over_workers(self.compute_metrics(x, y, predictions, sample_weight))

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """Updates the compiled metrics with the queries of all tasks, as one batch."""
        every = tf.nest.flatten((y, y_pred))
        if all(t.shape.rank is not None and t.shape.rank >= 2 for t in every):
            lead = tf.shape(every[0])[:2]

            def weight(t: Any) -> Any:
                t = t if t is None or t.shape.rank > 1 else t[:, tf.newaxis]
                if t is None:
                    return None
                return tf.broadcast_to(t, tf.concat([lead, tf.shape(t)[2:]], 0))

            sample_weight = tf.nest.map_structure(weight, sample_weight)
            y, y_pred, sample_weight = tf.nest.map_structure(
                _as_one_batch, (y, y_pred, sample_weight)
            )
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def expected(self) -> Expected:
        return Expected(
            inputs=_inputs_of(self.base_learner),
            text=isinstance(self.base_learner, TextBaseLearner),
            support=self.support_targets_wanted(),
            query=target_kind(self._loss_of_queries(), self._outputs()),
        )

    def support_targets_wanted(self) -> TargetKind:
        """What `adapt` takes for targets; by default what the compiled loss takes."""
        return target_kind(self._loss_of_queries(), self._outputs())

    def _loss_of_queries(self) -> Any:
        """The compiled loss, or a function that stands for one not known."""
        loss = getattr(self, "loss", None) if self.compiled else None
        return (lambda: None) if isinstance(loss, (dict, list, tuple)) else loss

    def _outputs(self) -> tuple[int | None, ...] | None:
        """The shape of an example's prediction, where it is known."""
        if isinstance(self.base_learner, TextBaseLearner):
            return (self.base_learner.num_classes,)
        try:
            shape = self.base_learner.output_shape
        except (AttributeError, ValueError):
            return None
        single = isinstance(shape, tuple) and len(shape) > 1
        single = single and all(s is None or isinstance(s, int) for s in shape)
        return shape[1:] if single else None

    def _total(self, losses: tf.Tensor, kept: tf.Tensor, penalty: Any) -> tf.Tensor:
        """The loss of a batch: of the kept tasks, and of what is no task's own."""
        total = tf.reduce_sum(tf.where(kept, losses, tf.zeros_like(losses)))
        if not sums_over_tasks(self._compile_loss):
            count = tf.reduce_sum(tf.cast(kept, total.dtype))
            total /= tf.maximum(count, 1)
        return total + tf.cast(penalty, total.dtype)

    def export(self, filepath: Any, **options: Any) -> Any:
        """Writes the next version of a SavedModel that adapts, and returns its folder.

        Arguments are those of `maml_tf.serving.export_learner`.
        """
        # Learners know nothing of serving, but a Keras model knows how to export.
        from maml_tf.serving import export_learner

        return export_learner(self, filepath, **options)

    def get_config(self) -> dict[str, Any]:
        base = keras.saving.serialize_keras_object(self.base_learner)
        return {
            "base_learner": base,
            "name": self.name,
            "largest_dropped_share": self.largest_dropped_share,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> "MetaLearner":
        config = {
            key: keras.saving.deserialize_keras_object(value, custom_objects)
            if isinstance(value, dict) and "class_name" in value
            else value
            for key, value in config.items()
        }
        return cls(**config)


def _as_one_batch(tensor: Any) -> Any:
    """`[tasks, query, ...]` as `[tasks * query, ...]`."""
    if tensor is None:
        return None
    if None in tensor.shape[2:]:
        return tf.reshape(tensor, tf.concat([[-1], tf.shape(tensor)[2:]], 0))
    return tf.reshape(tensor, (-1, *tensor.shape[2:]))


def _inputs_of(model: Any) -> Any:
    """The inputs that a functional or sequential model was made for, or None."""
    try:
        return (getattr(model, "_functional", None) or model).input
    except (AttributeError, ValueError):
        return None
