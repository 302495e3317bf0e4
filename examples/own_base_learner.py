"""Your own base learner, any Keras model, with episodes of your own out of `tf.data`.

    python examples/own_base_learner.py

Each task is a line of its own to be found from eight points; the model is meta-trained
so that a few steps of gradient descent on those are enough.
"""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from maml_tf import MAML

POINTS = 8


def make_base_learner() -> keras.Model:
    """From points `[batch, 1]` to values `[batch, 1]`."""
    return keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(16, activation="tanh"),
            keras.layers.Dense(1),
        ]
    )


def tasks(seed: int) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Draws lines for ever: support and query points of each, with their values."""
    draw = np.random.default_rng(seed)
    while True:
        slope, height = draw.uniform(-1, 1, size=2)
        points = draw.uniform(-1, 1, size=(2 * POINTS, 1)).astype("float32")
        values = (slope * points + height).astype("float32")
        yield (
            {
                "support_inputs": points[:POINTS],
                "support_targets": values[:POINTS],
                "query_inputs": points[POINTS:],
            },
            values[POINTS:],
        )


def make_dataset(seed: int, steps: int, tasks_per_batch: int = 8) -> tf.data.Dataset:
    """Batches of tasks: every tensor gets a task axis in front."""
    column = tf.TensorSpec((POINTS, 1), tf.float32)
    names = ("support_inputs", "support_targets", "query_inputs")
    return (
        tf.data.Dataset.from_generator(
            lambda: tasks(seed),
            output_signature=(dict.fromkeys(names, column), column),
        )
        .batch(tasks_per_batch)
        .take(steps)
        .prefetch(tf.data.AUTOTUNE)
    )


def main(steps: int = 300) -> dict[str, float]:
    """Meta-trains and returns the squared error on new lines, before and after."""
    maml = MAML(
        make_base_learner(),
        inner_steps=3,
        inner_learning_rate=0.1,
        inner_loss=keras.losses.MeanSquaredError(),
    )
    maml.compile(keras.optimizers.Adam(0.01), loss=keras.losses.MeanSquaredError())
    before = maml.evaluate(make_dataset(seed=1, steps=10), verbose=0, return_dict=True)
    maml.fit(make_dataset(seed=0, steps=steps), verbose=0)
    after = maml.evaluate(make_dataset(seed=1, steps=10), verbose=0, return_dict=True)
    found = {"before": before["loss"], "after": after["loss"]}
    print(
        f"squared error on new lines: {found['before']:.3f}, then {found['after']:.3f}"
    )
    return found


if __name__ == "__main__":
    main()
