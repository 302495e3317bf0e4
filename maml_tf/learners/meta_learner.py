"""The contract of every learner, and its one training step."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from maml_tf.inner_loop.task_gradients import finite_tasks, mask_tasks
from maml_tf.learners.dropped_tasks import (
    DroppedTasks,
    StopWhenDiverged,
    all_usable,
    task_losses,
    without_broken_inputs,
    zero_unless,
)
from maml_tf.learners.episode_checks import check_structure, check_values


class MetaLearner(keras.Model):
    """A Keras model whose input is a task and whose output is the query predictions.

    Input `x` is a dict of `support_inputs` `[tasks, support, ...]` (a tensor or a dict
    of tensors), `support_targets` `[tasks, support, ...]` and `query_inputs`
    `[tasks, query, ...]`; targets `y` are `[tasks, query, ...]`; the output is
    `[tasks, query, ...]`. Subclasses implement `adapt` and `predict_adapted`.

    A task whose inner or outer loss is NaN or infinite is left out of the
    meta-gradient, which is the mean over the others, and counted in the metric
    `dropped_tasks`.

    Args:
        base_learner: the Keras model that is meta-trained.
        largest_dropped_share: training stops with a `TrainingDivergedError` when more
            than this share of an epoch's tasks so far has been left out.
    """

    def __init__(
        self,
        base_learner: keras.Model,
        *,
        largest_dropped_share: float = 0.5,
        **kwargs: Any,
    ) -> None:
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
        if base_learner.built:
            self._prepare()

    def adapt(self, support_inputs: Any, support_targets: Any, training: bool = False):
        """Fast weights `[tasks, ...]` by name, learned from the support sets."""
        raise NotImplementedError

    def predict_adapted(
        self, fast_weights: Any, query_inputs: Any, training: bool = False
    ) -> tf.Tensor:
        """Predictions `[tasks, query, ...]` for the queries under the fast weights."""
        raise NotImplementedError

    def over_features(self) -> tuple[keras.Model, "MetaLearner"] | None:
        """An encoder, and this learner over its features, if adapting leaves it alone.

        Episodes over one corpus can then share one run of the encoder per example.
        None where adaptation changes the encoder.
        """
        return None

    def _prepare(self) -> None:
        """Called once the base learner has its variables."""
        self.built = True

    def build(self, input_shape: Any) -> None:
        if self.built:
            return
        if not self.base_learner.built:
            shapes = input_shape["query_inputs"]
            nested = isinstance(shapes, dict)
            flat = {k: (None, *s[2:]) for k, s in shapes.items()} if nested else None
            self.base_learner.build(flat or (None, *shapes[2:]))
        self._prepare()

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
        shapes = tf.nest.map_structure(lambda t: tuple(np.shape(t)), x)
        self._build_shapes_dict = {"input_shape": shapes}
        self._prepare()

    def call(self, x: dict[str, Any], training: bool = False) -> tf.Tensor:
        check_structure(x)
        fast = self.adapt(x["support_inputs"], x["support_targets"], training=training)
        return self.predict_adapted(fast, x["query_inputs"], training=training)

    def compute_meta_gradients(
        self, x: Any, y: Any, sample_weight: Any
    ) -> tuple[tf.Tensor, tf.Tensor, list[Any]]:
        """The outer loss, the query predictions and the gradient of each variable."""
        x, finite = without_broken_inputs(x)
        with tf.GradientTape() as tape:
            predictions = self(x, training=True)
            loss, kept, share = self.outer_loss(
                x, y, predictions, sample_weight, finite=finite
            )
            scaled = self.optimizer.scale_loss(loss / tf.cast(share, loss.dtype))
        gradients = tape.gradient(scaled, self.trainable_variables)
        return loss, predictions, self.drop_tasks(kept, gradients)

    def outer_loss(
        self, x: Any, y: Any, predictions: Any, sample_weight: Any, *, finite: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The loss of the tasks that are whole.

        Args:
            x: the episode.
            y: query targets.
            predictions: `[tasks, query, ...]`, not finite where a task is broken.
            sample_weight: as Keras gives it.
            finite: `[tasks]`, tasks that are not broken so far.

        Returns:
            The compiled loss, to which broken tasks add a constant; which tasks are
            kept, `[tasks]`; and their share, by which to divide the loss.
        """
        kept = finite & finite_tasks(tf.nest.flatten(predictions))
        safe = mask_tasks(kept, predictions)
        single = not tf.nest.is_nested(predictions) and not tf.nest.is_nested(y)
        if single and safe.shape[0] is not None and self._compile_loss is not None:
            each = task_losses(self._compile_loss, y, safe, sample_weight)
            kept = kept & tf.math.is_finite(each)
            safe = mask_tasks(kept, predictions)
        loss = self.compute_loss(x, y, safe, sample_weight, training=True)
        share = tf.reduce_mean(tf.cast(kept, loss.dtype))
        return loss, kept, tf.where(share > 0, share, 1)

    def drop_tasks(self, kept: tf.Tensor, gradients: list[Any]) -> list[Any]:
        """Counts the broken tasks, and all of them if the gradient is broken too."""
        # Optimizers that scale the loss look for infinity themselves.
        if not isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            whole = all_usable(gradients)
            gradients = zero_unless(whole, gradients)
            kept = kept & whole
        self.dropped_tasks.update_state(kept)
        return gradients

    def check_dropped_tasks(self) -> None:
        """Raises TrainingDivergedError if too many tasks of the epoch were dropped."""
        self.dropped_tasks.check(self.largest_dropped_share)

    def slow_variables(self) -> list[tuple[keras.Variable, float]]:
        """Variables of which only a part of the optimizer's step is taken."""
        return []

    def training_logs(self) -> dict[str, tf.Tensor]:
        """What a training step logs besides loss and metrics."""
        return {}

    def train_step(self, data: Any) -> dict[str, Any]:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        loss, predictions, gradients = self.compute_meta_gradients(x, y, sample_weight)
        self._loss_tracker.update_state(loss, sample_weight=tf.shape(y)[0])
        # A smaller gradient would not do: Adam divides its size out again.
        slow = [(v, m, tf.identity(v.value)) for v, m in self.slow_variables()]
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )
        for variable, multiplier, before in slow:
            variable.assign(before + multiplier * (variable.value - before))
        logs = self.compute_metrics(x, y, predictions, sample_weight=sample_weight)
        return {**logs, **self.training_logs()}

    def compile(
        self,
        optimizer: Any = None,
        loss: Any = None,
        metrics: Any = None,
        jit_compile: str | bool = "auto",
        **kwargs: Any,
    ) -> None:
        """As `keras.Model.compile`, with defaults: Adam 1e-3, cross-entropy, accuracy.

        `jit_compile="auto"` is Keras' own choice where there is a GPU. On a CPU it is
        False: XLA compiles anew for every length of text, which takes longer than the
        steps it would speed up; `True` still has it.

        Raises:
            ValueError: if `jit_compile=True` cannot be honoured, where Keras would go
                on uncompiled with a warning.
        """
        optimizer = optimizer or keras.optimizers.Adam(1e-3)
        if kwargs.get("auto_scale_loss", True) and self._computes_in_float16():
            optimizer = keras.optimizers.get(optimizer)
            if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        if loss is None:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            metrics = ["accuracy"] if metrics is None else metrics
        if jit_compile == "auto" and not tf.config.list_physical_devices("GPU"):
            jit_compile = False
        super().compile(
            optimizer=optimizer,
            loss=loss,
            metrics=metrics,
            jit_compile=jit_compile,
            **kwargs,
        )
        if jit_compile is True and self.jit_compile is not True:
            raise ValueError(
                f"{type(self).__name__} cannot be XLA-compiled as it is configured "
                "(see its docstring); compile it with jit_compile=False."
            )

    def _computes_in_float16(self) -> bool:
        return self.base_learner.dtype_policy.name == "mixed_float16"

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def _ready(self, x: Any, y: Any = None) -> None:
        """Checks, builds and compiles before the first step of any work."""
        if isinstance(x, dict):
            check_values(x, y, classes=self.number_of_classes())
            self.build_from_episode(x)
        elif isinstance(x, tf.data.Dataset):
            if not self.built:
                first = next(iter(x))
                self.build_from_episode(first[0] if isinstance(first, tuple) else first)
        else:
            check_structure(x)
        if not self.compiled:
            self.compile()

    def number_of_classes(self) -> int | None:
        """How many classes the predictions can name; None where it is not fixed."""
        named = getattr(self.base_learner, "num_classes", None)
        if named is not None:
            return named
        shape = getattr(self.base_learner, "output_shape", None)
        return shape[-1] if isinstance(shape, tuple) and len(shape) > 1 else None

    def fit(self, x=None, y=None, **kwargs):
        # Keras takes the second axis of [tasks, query] labels for a one-hot axis.
        class_weight = kwargs.pop("class_weight", None)
        if class_weight and isinstance(x, tf.data.Dataset):
            x = x.map(lambda x, y: (x, y, _class_weights(y, class_weight)))
        elif class_weight:
            kwargs["sample_weight"] = _class_weights(y, class_weight).numpy()
        self._ready(x, y)
        if isinstance(x, tf.data.Dataset):
            # A dataset has an order of its own; Keras warns about its own default.
            kwargs.setdefault("shuffle", False)
        callbacks = kwargs.pop("callbacks", None)
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks.append(StopWhenDiverged())
        else:
            given = callbacks or []
            given = [given] if isinstance(given, keras.callbacks.Callback) else given
            callbacks = [StopWhenDiverged(), *given]
        return super().fit(x, y, callbacks=callbacks, **kwargs)

    def evaluate(self, x=None, y=None, **kwargs):
        self._ready(x, y)
        return super().evaluate(x, y, **kwargs)

    def predict(self, x, **kwargs):
        self._ready(x)
        return super().predict(x, **kwargs)

    def train_on_batch(
        self, x, y=None, sample_weight=None, class_weight=None, **kwargs
    ):
        self._ready(x, y)
        if class_weight is not None:
            sample_weight = _class_weights(y, class_weight).numpy()
        logs = super().train_on_batch(x, y, sample_weight=sample_weight, **kwargs)
        self.check_dropped_tasks()
        return logs

    def test_on_batch(self, x, y=None, **kwargs):
        self._ready(x, y)
        return super().test_on_batch(x, y, **kwargs)

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
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None):
        config = {
            key: keras.saving.deserialize_keras_object(value, custom_objects)
            if isinstance(value, dict) and "class_name" in value
            else value
            for key, value in config.items()
        }
        return cls(**config)


def _class_weights(y: Any, class_weight: dict[int, float]) -> tf.Tensor:
    table = np.ones(max(class_weight) + 1, "float32")
    for label, weight in class_weight.items():
        table[label] = weight
    return tf.gather(tf.constant(table), tf.cast(y, tf.int32))
