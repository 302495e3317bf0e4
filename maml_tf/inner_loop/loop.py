"""K inner steps on the support sets of a batch of tasks, as a pure function."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from maml_tf.inner_loop.exact_moments import exact_moments
from maml_tf.inner_loop.tasks import over_tasks
from maml_tf.inner_loop.update_rules import UpdateRule

Tensors = list[tf.Tensor]
Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class InnerLoop:
    """A base learner, its fast variables, an inner loss and an update rule.

    No variable is ever assigned: the variables' values are read once, before tasks are
    mapped, and every run of the base learner sees tensors in their place. `constants`
    below is the list of those values, in the order of `constant_variables`.

    Args:
        model: a built Keras model.
        fast_variables: the trainable variables that the steps change.
        loss: from targets and predictions of one task to a scalar or one value per
            example, which is then averaged.
        rule: the update rule.
        first_order: treat the inner gradient as a constant, which drops second
            derivatives from any gradient taken through the loop.
        vectorized: run all tasks at once, or one after the other.
    """

    def __init__(
        self,
        model: keras.Model,
        fast_variables: list[keras.Variable],
        loss: Loss,
        rule: UpdateRule,
        *,
        first_order: bool = False,
        vectorized: bool = True,
    ) -> None:
        self.model = model
        self.fast_variables = fast_variables
        self.loss = loss
        self.rule = rule
        self.first_order = first_order
        self.vectorized = vectorized
        fast = {id(v) for v in fast_variables}
        self.constant_variables = [
            v for v in [*model.variables, *rule.variables] if id(v) not in fast
        ]

    def initial(self) -> Tensors:
        """The values that the fast variables start from, without a task axis."""
        return [tf.convert_to_tensor(v.value) for v in self.fast_variables]

    def constants(self) -> Tensors:
        """The values of every other variable, read outside the mapped functions."""
        return [tf.convert_to_tensor(v.value) for v in self.constant_variables]

    def predict_task(
        self,
        fast: Tensors,
        constants: Tensors,
        inputs: Any,
        *,
        training: bool = False,
        seed: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, dict[int, tf.Tensor]]:
        """Predictions of one task, and the constants its run assigned, by place."""
        values = [
            value + tf.cast(seed, value.dtype)
            if seed is not None and is_seed(variable)
            else value
            for variable, value in zip(self.constant_variables, constants, strict=True)
        ]
        mapping = [
            *zip(self.fast_variables, fast, strict=True),
            *zip(self.constant_variables, values, strict=True),
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            before = [scope.get_current_value(v) for v in self.constant_variables]
            predictions = call_model(self.model, inputs, training)
        after = [scope.get_current_value(v) for v in self.constant_variables]
        return predictions, {
            place: new
            for place, (old, new) in enumerate(zip(before, after, strict=True))
            if new is not old
        }

    def loss_task(
        self,
        fast: Tensors,
        constants: Tensors,
        inputs: Any,
        targets: tf.Tensor,
        *,
        training: bool,
        seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """The scalar inner loss of one task."""
        predictions, _ = self.predict_task(
            fast, constants, inputs, training=training, seed=seed
        )
        return tf.reduce_mean(self.loss(targets, predictions))

    def step_task(
        self,
        fast: Tensors,
        state: Any,
        step: Any,
        constants: Tensors,
        inputs: Any,
        targets: tf.Tensor,
        *,
        training: bool,
        seed: tf.Tensor | None = None,
    ) -> tuple[Tensors, Any]:
        """One inner step of one task."""
        if seed is not None:
            seed = seed + 1 + tf.cast(step, seed.dtype)
        with tf.GradientTape() as tape:
            tape.watch(fast)
            loss = self.loss_task(
                fast, constants, inputs, targets, training=training, seed=seed
            )
        gradients = tape.gradient(loss, fast, unconnected_gradients="zero")
        gradients = [tf.convert_to_tensor(g) for g in gradients]
        if self.first_order:
            gradients = [tf.stop_gradient(g) for g in gradients]
        mapping = list(zip(self.constant_variables, constants, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return self.rule.update(state, fast, gradients, step, loss=loss)

    def adapt(
        self,
        fast: Tensors,
        constants: Tensors,
        inputs: Any,
        targets: tf.Tensor,
        *,
        steps: int,
        training: bool = False,
        seeds: tf.Tensor | None = None,
        unroll: bool = True,
    ) -> Tensors:
        """Fast weights `[tasks, ...]` after `steps` updates on each task's support set.

        Args:
            fast: the starting weights, without a task axis: all tasks start alike, and
                the first unrolled step runs as one batch.
            constants: see `constants()`.
            inputs: support inputs, a nest of tensors `[tasks, support, ...]`.
            targets: support targets `[tasks, support, ...]`.
            steps: how many updates; zero gives the starting weights.
            training: whether layers such as dropout run in training mode.
            seeds: `[tasks]`, so that dropout differs between tasks and steps.
            unroll: trace the steps one by one, which a tape can differentiate through;
                otherwise they run in a `tf.while_loop` traced once.
        """
        tasks = tf.shape(targets)[0] if targets.shape[0] is None else targets.shape[0]

        def step(weights, state, index, stacked):
            def task(element):
                current, moments = element["fast"] if stacked else (weights, state)
                return self.step_task(
                    current,
                    moments,
                    index,
                    constants,
                    element["inputs"],
                    element["targets"],
                    training=training,
                    seed=element.get("seed"),
                )

            elements = {"inputs": inputs, "targets": targets}
            if seeds is not None:
                elements["seed"] = seeds
            if stacked:
                elements["fast"] = (weights, state)
            return over_tasks(task, elements, vectorized=self.vectorized)

        state = self.rule.init(fast)
        if steps == 0:
            return repeat_for_tasks(fast, tasks)
        if unroll:
            for index in range(steps):
                fast, state = step(fast, state, index, index > 0)
            return fast
        fast, state = repeat_for_tasks((fast, state), tasks)
        _, fast, _ = tf.while_loop(
            lambda index, *_: index < steps,
            lambda index, weights, moments: (
                index + 1,
                *step(weights, moments, index, True),
            ),
            (tf.constant(0), fast, state),
            maximum_iterations=steps,
        )
        return fast


def repeat_for_tasks(tensors: Any, tasks: int | tf.Tensor) -> Any:
    """Gives every tensor a leading axis of `tasks` equal entries."""
    return tf.nest.map_structure(
        lambda t: tf.repeat(t[tf.newaxis], tasks, axis=0), tensors
    )


def is_seed(variable: keras.Variable) -> bool:
    """Whether the variable is the state of a Keras seed generator."""
    return variable.name == "seed_generator_state"


def call_model(model: keras.Model, inputs: Any, training: bool) -> tf.Tensor:
    """Calls the model, passing `training` only where its `call` takes it."""
    with exact_moments():
        if model._call_has_training_arg:
            return model(inputs, training=training)
        return model(inputs)
