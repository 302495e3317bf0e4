"""The exact meta-gradient by nested tapes over steps traced one by one."""

from typing import Any

import keras
import tensorflow as tf

from maml_tf.inner_loop.meta_gradients.meta_gradient import MetaGradient
from maml_tf.inner_loop.tape import gradients_like, vector_jacobian_product, watched
from maml_tf.inner_loop.task_gradients import sum_over_tasks
from maml_tf.inner_loop.tasks import number_of_tasks, repeat_for_tasks


@keras.saving.register_keras_serializable(package="maml_tf")
class ExactUnrolled(MetaGradient):
    """A tape over all steps, each with a tape of its own: the plain way, the reference.

    Activations of all steps are kept and each step is traced, so memory and start-up
    grow with their number; nothing is evaluated twice, which makes it the faster one
    for few steps.
    """

    def run(self, problem: Any, stacked: dict[str, Any], shared: Any) -> Any:
        tasks = number_of_tasks(stacked["fast"][0])
        with tf.GradientTape(persistent=True) as tape:
            # Shared weights get a task axis too: their gradient can leave a task out.
            read = watched(tape, {**stacked, "shared": repeat_for_tasks(shared, tasks)})
            fixed = {key: read[key] for key in ("inputs", "shared")}
            weights, state, finite = read["fast"], read["state"], None
            each = []
            for step in range(problem.steps):
                weights, state, before = problem.step_all(
                    weights, state, fixed, shared, step
                )
                fine = tf.math.is_finite(before.loss)
                finite = fine if finite is None else finite & fine
                each.append(weights)
            if problem.every_step:
                weights = [tf.stack(t, axis=1) for t in zip(*each, strict=True)]

        def backward(upstream: Any) -> Any:
            found = vector_jacobian_product(tape, weights, upstream, read)
            by_stacked = {k: gradients_like(v, found[k]) for k, v in stacked.items()}
            return by_stacked, sum_over_tasks(finite, found["shared"])

        return weights, finite, backward
