"""MAML guided by a metric of how similar tasks are."""

import math
from typing import Any

import keras
import tensorflow as tf

from maml_tf.arguments import positive, whole
from maml_tf.base_learners import BaseLearnerError
from maml_tf.base_learners.contracts import TextBaseLearner
from maml_tf.inner_loop.update_rules.per_task_rates import PerTaskRates
from maml_tf.inner_loop.update_rules.update_rule import start_at
from maml_tf.learners.maml import MAML
from maml_tf.learners.prototypical import class_means

REGISTERED = {
    "task_similarity_maml": {
        "class_name": "TaskSimilarityMAML",
        "summary": "similarity of the task to learned keys sets start and rates",
        "paper": "closest to HSML, arXiv 1905.05301",
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
class TaskSimilarityMAML(MAML):
    """MAML whose start and rates follow from a learned similarity of tasks.

    Each task is embedded from its support set. A learned metric (squared distance with
    a weight per dimension) compares it with `keys` learned task keys, and a softmax
    makes similarities of that. They mix, per key, an offset of the initial fast weights
    and the logarithm of the inner rate of every weight tensor; then MAML goes on.

    Closest to it is HSML (Yao et al. 2019, arXiv 1905.05301), which clusters task
    embeddings hierarchically and gates the initial weights by the cluster: here the
    clusters are one flat layer, what they carry is added and not multiplied, they also
    set the rates, and there is no reconstruction loss. ARML (arXiv 2001.00745) has a
    graph of such keys, MMAML (arXiv 1910.13616) modulates activations without keys, and
    TSA-MAML (Zhou et al. 2021) clusters adapted weights in a stage of its own.

    The embedding is a set encoder over prototypes, the mean of each class, so that it
    does not depend on the order of examples or on which class has which label; in
    regression it reads each example's input and target together.

    Args:
        base_learner: any Keras model from inputs to predictions. A text model's own
            `encode` reads the examples; otherwise they are flattened.
        keys: learned task keys, 1 or more.
        embedding_dim: width of the task embedding.
        units: width of the set encoder.
        regression: targets are numbers `[tasks, examples, dim]` and not labels.
        **kwargs: those of `MAML` but for `update_rule`.

    Example:

    >>> base = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    >>> learner = TaskSimilarityMAML(base, keys=3)
    >>> x = tf.ones((5, 4, 2))
    >>> learner.build_from_episode({"support_inputs": x, "query_inputs": x,
    ...                             "support_targets": tf.zeros((5, 4), tf.int32)})
    >>> learner.similarities(x, tf.constant([[0, 1, 0, 1]] * 5)).shape
    TensorShape([5, 3])
    """

    def __init__(
        self,
        base_learner: keras.Model,
        *,
        keys: int = 4,
        embedding_dim: int = 16,
        units: int = 64,
        regression: bool = False,
        inner_learning_rate: float = 0.01,
        **kwargs: Any,
    ) -> None:
        sizes = {"keys": keys, "embedding_dim": embedding_dim, "units": units}
        for name, value in sizes.items():
            whole(name, value)
        if kwargs.pop("update_rule", None) is not None:
            raise ValueError("TaskSimilarityMAML brings an update rule of its own.")
        if kwargs.get("symmetric_head"):
            raise ValueError(
                "TaskSimilarityMAML gives each task a start of its own, so it takes no "
                "symmetric_head."
            )
        super().__init__(
            base_learner,
            inner_learning_rate=positive("inner_learning_rate", inner_learning_rate),
            update_rule=PerTaskRates(),
            **kwargs,
        )
        self._sizes = sizes
        self.regression = bool(regression)

    def choose_fast_variables(self) -> list[keras.Variable]:
        fast = super().choose_fast_variables()
        keys, dim = self._sizes["keys"], self._sizes["embedding_dim"]
        self.task_keys = self.add_weight(
            shape=(keys, dim),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="task_keys",
        )
        self.metric = self.add_weight(
            shape=(dim,), initializer="zeros", name="log_metric"
        )
        start = math.log(self._options["inner_learning_rate"])
        self.log_rates = self.add_weight(
            shape=(keys, len(fast)),
            initializer=start_at(start),
            name="log_rates",
        )
        self.offsets = [
            self.add_weight(
                shape=(keys, *v.shape),
                initializer=keras.initializers.RandomNormal(stddev=0.01),
                name=f"offset_{place}",
            )
            for place, v in enumerate(fast)
        ]
        # Stand for each task's own rates, which are there while a task is adapted.
        rates = [
            self.add_weight(
                shape=(), initializer="zeros", name=f"rate_{place}", trainable=False
            )
            for place in range(len(fast))
        ]
        units = self._sizes["units"]
        self.example_layers = [
            keras.layers.Dense(units, activation="gelu", name="set_in"),
            keras.layers.Dense(units, activation="gelu", name="set_mid"),
        ]
        # Normalised, because tasks that are far out would decide where the keys lie.
        self.set_layers = [
            keras.layers.LayerNormalization(center=False, scale=False, name="set_norm"),
            keras.layers.Dense(units, activation="gelu", name="set_after"),
            keras.layers.Dense(dim, name="set_out"),
        ]
        shape = (None, self._example_width())
        for layer in [*self.example_layers, *self.set_layers]:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        return [*fast, *rates]

    def _example_width(self) -> int:
        base = self.base_learner
        if isinstance(base, TextBaseLearner):
            return base.head.kernel.shape[0]
        outputs = self._outputs()
        try:
            inputs = base.input_shape[1:]
        except (AttributeError, ValueError):
            inputs = (None,)
        if not all(isinstance(size, int) for size in inputs) or outputs is None:
            raise BaseLearnerError(
                "TaskSimilarityMAML reads the examples flattened, but the base learner "
                f"{base.name!r} takes no single tensor of a fixed shape; give a "
                "functional or sequential model with such an input, or a text model."
            )
        return math.prod(inputs) + (outputs[-1] or 0) * self.regression

    def embed_tasks(
        self, support_inputs: Any, support_targets: Any, training: bool = False
    ) -> tf.Tensor:
        """Embeddings of the tasks `[tasks, embedding_dim]` from their support sets."""
        targets = tf.convert_to_tensor(support_targets)
        classes = self.number_of_classes() or 0

        def task(element: dict[str, Any]) -> tf.Tensor:
            vectors, targets = element["inputs"], element["targets"]
            if isinstance(self.base_learner, TextBaseLearner):
                vectors = self.base_learner.encode(vectors, training=training)
            vectors = tf.cast(vectors, self.variable_dtype)
            vectors = tf.reshape(vectors, (-1, math.prod(vectors.shape[1:])))
            if self.regression:
                values = tf.cast(targets, vectors.dtype)
                vectors = tf.concat([vectors, values], axis=-1)
                present = tf.ones_like(vectors[:, 0])
            else:
                vectors, counts = class_means(vectors, targets, classes)
                present = tf.cast(counts > 0, vectors.dtype)
            for layer in self.example_layers:
                vectors = layer(vectors)
            vectors = tf.cast(vectors, present.dtype) * present[:, tf.newaxis]
            total = tf.reduce_sum(vectors, axis=0) / tf.reduce_sum(present)
            outputs = total[tf.newaxis]
            for layer in self.set_layers:
                outputs = layer(outputs)
            return tf.cast(outputs[0], present.dtype)

        inputs = tf.nest.map_structure(tf.convert_to_tensor, support_inputs)
        elements = {"inputs": inputs, "targets": targets}
        return self.inner_loop.functional.map(("start", training), task, elements)

    def similarities(
        self, support_inputs: Any, support_targets: Any, training: bool = False
    ) -> tf.Tensor:
        """How similar each task is to each key, `[tasks, keys]`; rows sum to one."""
        embedded = self.embed_tasks(support_inputs, support_targets, training)
        apart = tf.square(embedded[:, tf.newaxis] - self.task_keys.value)
        distances = tf.reduce_sum(apart * tf.exp(self.metric.value), axis=-1)
        # Of random keys they differ by the root of their dimensions.
        scale = tf.constant(self._sizes["embedding_dim"] ** -0.5, distances.dtype)
        return tf.nn.softmax(-scale * distances, axis=-1)

    def initial_weights(
        self, support_inputs: Any, support_targets: tf.Tensor, training: bool = False
    ) -> tuple[list[tf.Tensor], bool]:
        shares = self.similarities(support_inputs, support_targets, training)
        start = self.inner_loop.initial()
        weights = [
            weight + tf.cast(tf.tensordot(shares, offset.value, 1), weight.dtype)
            for weight, offset in zip(start, self.offsets, strict=False)
        ]
        rates = tf.unstack(tf.matmul(shares, self.log_rates.value), axis=1)
        return [*weights, *rates], True

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["update_rule"]
        return {**config, **self._sizes, "regression": self.regression}
