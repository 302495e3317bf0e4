"""What is checked and prepared before Keras trains, judges or saves a learner."""

import inspect
import math
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from maml_tf.learners.class_weights import ClassWeights
from maml_tf.learners.dropped_tasks import StopWhenDiverged
from maml_tf.learners.episode_checks import EpisodeError, Expected, check_values
from maml_tf.learners.first_batch import first_batch
from maml_tf.learners.metric_checks import check_metrics

OLD_FORMATS = (".h5", ".hdf5")
FIRST_STEP = "Tracing the first training step; with a text encoder it takes a while …"


class KerasEntryPoints(keras.Model):
    """Keras' own methods, which first look at what they are given.

    Arguments are Keras', by name or by position. Of any data, arrays, `tf.data`,
    `keras.utils.PyDataset` or generators, the first batch is checked before anything
    is traced.
    """

    base_learner: keras.Model
    _class_weights: ClassWeights | None = None
    _ranks: list[int] | None = None

    def build_from_episode(self, x: dict[str, Any]) -> None:
        raise NotImplementedError

    def expected(self) -> Expected:
        """What episodes have to look like, as far as it is known."""
        raise NotImplementedError

    def check_dropped_tasks(self) -> None:
        raise NotImplementedError

    def compile(
        self,
        optimizer: Any = None,
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: str | bool = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """As `keras.Model.compile`, with defaults: Adam 1e-3, cross-entropy, accuracy.

        `jit_compile="auto"` is Keras' own choice where there is a GPU. On a CPU it is
        False: XLA compiles anew for every length of text, which takes longer than the
        steps it would speed up; `True` still has it.

        Raises:
            ValueError: if `jit_compile=True` cannot be honoured, where Keras would go
                on uncompiled with a warning, or under a `tf.distribute` strategy that
                is not known to work.
        """
        _check_strategy(self.distribute_strategy)
        if optimizer is None:
            optimizer = keras.optimizers.Adam(1e-3)
        if auto_scale_loss and self.base_learner.dtype_policy.name == "mixed_float16":
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
            loss_weights=loss_weights,
            metrics=metrics,
            weighted_metrics=weighted_metrics,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=auto_scale_loss,
        )
        if jit_compile is True and not run_eagerly and self.jit_compile is not True:
            raise ValueError(
                f"{type(self).__name__} cannot be XLA-compiled as it is configured "
                "(see its docstring); compile it with jit_compile=False."
            )

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def fit(self, *arguments: Any, **keywords: Any) -> keras.callbacks.History:
        """As `keras.Model.fit`; class weights and sample weights both count."""
        given = _by_name(keras.Model.fit, self, arguments, keywords)
        _check_end(given.get("x"), given, "fit", "steps_per_epoch")
        _check_end(given.get("validation_data"), given, "fit", "validation_steps")
        given["x"] = self._look_at(given)
        self._weigh_classes(given.pop("class_weight", None))
        if given.get("validation_data") is not None:
            given["validation_data"] = self._look_at_validation(
                given["validation_data"]
            )
        if not _is_arrays(given["x"]):
            # Such data have an order of their own; Keras warns about its own default.
            given.setdefault("shuffle", False)
        if self.train_function is None and given.get("verbose", "auto") not in (0, "0"):
            print(FIRST_STEP, flush=True)
        callbacks = given.pop("callbacks", None)
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks.append(StopWhenDiverged())
        else:
            more = (
                [callbacks]
                if isinstance(callbacks, keras.callbacks.Callback)
                else (callbacks or [])
            )
            callbacks = [StopWhenDiverged(), *more]
        return super().fit(**given, callbacks=callbacks)

    def evaluate(self, *arguments: Any, **keywords: Any) -> Any:
        """As `keras.Model.evaluate`; a broken model is told of in a warning."""
        given = _by_name(keras.Model.evaluate, self, arguments, keywords)
        _check_end(given.get("x"), given, "evaluate", "steps")
        if not given.get("_use_cached_eval_dataset"):
            given["x"] = self._look_at(given)
        result = super().evaluate(**given)
        loss = result
        if isinstance(result, Mapping):
            loss = result["loss"]
        elif isinstance(result, (list, tuple)):
            loss = result[0]
        if not math.isfinite(loss):
            warnings.warn(
                f"The loss is {loss}: predictions for some tasks are NaN or infinite, "
                "and metrics such as accuracy take them for the first class.",
                stacklevel=2,
            )
        return result

    def predict(self, *arguments: Any, **keywords: Any) -> Any:
        """As `keras.Model.predict`."""
        given = _by_name(keras.Model.predict, self, arguments, keywords)
        _check_end(given.get("x"), given, "predict", "steps")
        given["x"] = self._look_at(given, targets=False)
        return super().predict(**given)

    def train_on_batch(self, *arguments: Any, **keywords: Any) -> Any:
        """As `keras.Model.train_on_batch`; class and sample weights both count."""
        given = _by_name(keras.Model.train_on_batch, self, arguments, keywords)
        self._look_at(given)
        self._weigh_classes(given.pop("class_weight", None))
        logs = super().train_on_batch(**given)
        self.check_dropped_tasks()
        return logs

    def test_on_batch(self, *arguments: Any, **keywords: Any) -> Any:
        """As `keras.Model.test_on_batch`."""
        given = _by_name(keras.Model.test_on_batch, self, arguments, keywords)
        self._look_at(given)
        return super().test_on_batch(**given)

    def predict_on_batch(self, x: Any) -> Any:
        """As `keras.Model.predict_on_batch`."""
        self._look_at({"x": x}, targets=False)
        return super().predict_on_batch(x)

    def save(self, filepath: Any, *arguments: Any, **keywords: Any) -> None:
        """As `keras.Model.save`, to a .keras file.

        Raises:
            ValueError: for a file of the old format, which could not be loaded.
        """
        if Path(str(filepath)).suffix in OLD_FORMATS:
            raise ValueError(
                f"A learner saved as {Path(str(filepath)).name} could not be loaded "
                "again; save it to a file that ends in .keras, or its weights alone "
                "with save_weights to one that ends in .weights.h5."
            )
        super().save(filepath, *arguments, **keywords)

    def _maybe_symbolic_build(
        self, iterator: Any = None, data_batch: Any = None
    ) -> None:
        # Keras builds what is not built yet, under a strategy, from the mean of a batch
        # over devices, which masks do not have. All is built by `_look_at`.
        pass

    def _look_at(self, given: dict[str, Any], *, targets: bool = True) -> Any:
        """Checks, builds and compiles before the first step; returns `x` to go on with.

        Args:
            given: `x`, and `y` and `sample_weight` where `x` is no dataset.
            targets: they are needed.
        """
        x = given.get("x")
        if not self.compiled:
            self.compile()
        if _is_arrays(x):
            batch = (x, given.get("y"), given.get("sample_weight"))
            self._check(batch, targets=targets)
            return x
        first, x = first_batch(x)
        if first is not None:
            batch = keras.utils.unpack_x_y_sample_weight(first)
            self._check(batch, targets=targets, may_break=True)
        return x

    def _look_at_validation(self, data: Any) -> Any:
        if isinstance(data, (tuple, list)):
            x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
            x = self._look_at({"x": x, "y": y, "sample_weight": weight})
            return keras.utils.pack_x_y_sample_weight(x, y, weight)
        return self._look_at({"x": data})

    def _check(
        self, batch: tuple[Any, Any, Any], *, targets: bool, may_break: bool = False
    ) -> None:
        x, y, weight = batch
        if not self.built:
            check_values(x, y, weight, may_break=may_break)
            self.build_from_episode(x)
        check_values(x, y, weight, expected=self.expected(), may_break=may_break)
        self._trace_anew_for_other_ranks(batch)
        if targets and y is None:
            raise EpisodeError("Query targets, y, are missing; give them beside x.")
        if targets:
            self._make_variables(y)
        if self._distribute_strategy is not None:
            with self._distribute_strategy.scope():
                self._symbolic_build(
                    data_batch=tf.nest.map_structure(
                        lambda t: None if t is None else tf.convert_to_tensor(t), batch
                    )
                )

    def _make_variables(self, y: Any) -> None:
        """Checks metrics, and makes what Keras would make while it traces a step.

        A step that makes variables is traced a second time.
        """
        metrics = self._compile_metrics
        wanted = self.expected().query
        outputs = wanted.outputs
        sizes = [size for size in outputs or () if size is not None]
        unknown = outputs is None or len(sizes) < len(outputs)
        if metrics is None or tf.nest.is_nested(y):
            return
        if not unknown:
            given = metrics._user_metrics, metrics._user_weighted_metrics
            check_metrics(given, y, sizes[-1] if sizes else None)
        elif wanted.name == "classes" and np.ndim(y) == 2:
            sizes = [2]  # of as many classes as there are; metrics see one or several
        else:
            return
        with self.distribute_strategy.scope():
            if not metrics.built:
                example = np.asarray(y).reshape(-1, *np.shape(y)[2:])[:1]
                metrics.build(example, np.zeros([1, *sizes], "float32"))
            if not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)

    def _trace_anew_for_other_ranks(self, batch: tuple[Any, Any, Any]) -> None:
        # Traced for several, a tensor's rank would be unknown.
        ranks = [np.ndim(t) for t in tf.nest.flatten(batch) if t is not None]
        if ranks != self._ranks:
            self._ranks = ranks
            self.train_function = self.test_function = self.predict_function = None

    def _weigh_classes(self, class_weight: Mapping[int, float] | None) -> None:
        weights = ClassWeights(class_weight) if class_weight else None
        if weights != self._class_weights:
            self._class_weights = weights
            self.train_function = None  # it has the old ones in its graph


def _is_arrays(x: Any) -> bool:
    """Whether Keras cuts batches from it, or it is no data at all."""
    return (
        isinstance(x, (dict, str, bytes))
        or x is None
        or not (hasattr(x, "__iter__") or isinstance(x, keras.utils.PyDataset))
        or hasattr(x, "shape")
    )


@cache
def _signature(method: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(method)


def _by_name(
    method: Callable[..., Any], me: Any, arguments: tuple, keywords: dict[str, Any]
) -> dict[str, Any]:
    """The arguments of a call of Keras' method, by name."""
    bound = _signature(method).bind(me, *arguments, **keywords)
    given = dict(bound.arguments)
    given.pop("self")
    more = given.pop("kwargs", {})
    return {**given, **more}


def _check_end(data: Any, given: dict[str, Any], method: str, steps: str) -> None:
    """Raises ValueError where Keras would never return."""
    endless = isinstance(data, tf.data.Dataset) and (
        data.cardinality() == tf.data.INFINITE_CARDINALITY
    )
    if endless and given.get(steps) is None:
        raise ValueError(
            f"This dataset never ends, and so would {method}; give {method} {steps}=…, "
            "or make the dataset with a number of steps."
        )


def _check_strategy(strategy: tf.distribute.Strategy) -> None:
    known = (
        tf.distribute.MirroredStrategy,
        tf.distribute.MultiWorkerMirroredStrategy,
        tf.distribute.OneDeviceStrategy,
    )
    if tf.distribute.has_strategy() and not isinstance(strategy, known):
        raise ValueError(
            "Learners train under tf.distribute.MirroredStrategy or "
            f"MultiWorkerMirroredStrategy, not under {type(strategy).__name__}; make "
            "and compile the learner outside its scope or under one of these."
        )
