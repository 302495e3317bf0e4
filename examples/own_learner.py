"""Your own learner and your own update rule, each a small class.

    python examples/own_learner.py

A learner says what is learned from a support set (`adapt`) and how queries are answered
with it (`predict_adapted`); the training step, its guards and metrics come from
`MetaLearner`. An update rule says what one inner step does to the fast weights.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from maml_tf import MAML
from maml_tf.inner_loop import UpdateRule
from maml_tf.learners.embedding_learner import EmbeddingLearner


@keras.saving.register_keras_serializable(package="examples")
class NearestExample(EmbeddingLearner):
    """A query belongs to the class of its nearest examples, the nearer the more.

    Fast weights are the examples' vectors `[tasks, support, dim]` and their classes.
    """

    def adapt(
        self, support_inputs: Any, support_targets: Any, training: bool = False
    ) -> dict[str, tf.Tensor]:
        vectors = self.embed(support_inputs, training)
        return {
            "vectors": vectors,
            "classes": self.memberships(support_targets, vectors.dtype),
        }

    def predict_adapted(
        self, fast_weights: Any, query_inputs: Any, training: bool = False
    ) -> tf.Tensor:
        queries = self.embed(query_inputs, training)[:, :, tf.newaxis]
        differences = queries - fast_weights["vectors"][:, tf.newaxis]
        nearness = tf.nn.softmax(-tf.reduce_sum(differences**2, axis=-1))
        return tf.math.log(nearness @ fast_weights["classes"] + 1e-9)


@keras.saving.register_keras_serializable(package="examples")
class SignDescent(UpdateRule):
    """Every weight moves by the same length, whatever the size of its gradient."""

    def __init__(self, learning_rate: float = 0.01, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.learning_rate = learning_rate

    def init(self, weights: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        return []  # it remembers nothing from step to step

    def update(
        self,
        state: Any,
        weights: Sequence[tf.Tensor],
        gradients: Sequence[tf.Tensor],
        step: Any,
        loss: tf.Tensor | None = None,
    ) -> tuple[list[tf.Tensor], Any]:
        moved = [
            w - self.learning_rate * tf.sign(g)
            for w, g in zip(weights, gradients, strict=True)
        ]
        return moved, state

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "learning_rate": self.learning_rate}


def make_tasks(tasks: int = 8, seed: int = 0) -> tuple[dict[str, Any], np.ndarray]:
    """Two clouds of points a task, two examples and four queries of each."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(tasks, 2, 4)) * 2
    support, query = np.repeat([0, 1], 2), np.repeat([0, 1], 4)

    def points(labels: np.ndarray) -> np.ndarray:
        noise = draw.normal(size=(tasks, len(labels), 4)) * 0.3
        return (centres[:, labels] + noise).astype("float32")

    x = {
        "support_inputs": points(support),
        "support_targets": np.tile(support, (tasks, 1)),
        "query_inputs": points(query),
    }
    return x, np.tile(query, (tasks, 1))


def main(epochs: int = 20) -> dict[str, float]:
    """Meta-trains one of each and returns their accuracies on new tasks."""
    learners = {
        "own learner": NearestExample(
            keras.Sequential([keras.Input((4,)), keras.layers.Dense(8)])
        ),
        "own update rule": MAML(
            keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]),
            update_rule=SignDescent(0.1),
            inner_steps=5,
        ),
    }
    found = {}
    for name, learner in learners.items():
        learner.compile(keras.optimizers.Adam(0.01), metrics=["accuracy"])
        learner.fit(*make_tasks(), epochs=epochs, verbose=0)
        x, y = make_tasks(seed=1)
        found[name] = float(np.mean(np.argmax(learner(x), -1) == y))
        print(f"{name}: {found[name]:.0%} of new queries right")
    return found


if __name__ == "__main__":
    main()
