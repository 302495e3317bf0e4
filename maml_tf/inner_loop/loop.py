"""K inner steps on the support sets of a batch of tasks, as a pure function."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from maml_tf.inner_loop.exact_moments import exact_moments
from maml_tf.inner_loop.meta_gradients import MetaGradient, get_meta_gradient
from maml_tf.inner_loop.meta_gradients.meta_gradient import (
    gradients_like,
    vector_jacobian_product,
    watched,
)
from maml_tf.inner_loop.meta_gradients.recursion import Recursion
from maml_tf.inner_loop.problem import InnerProblem
from maml_tf.inner_loop.shared_layers import Part, call_model, split_model
from maml_tf.inner_loop.task_gradients import (
    differentiate_per_task,
    finite_tasks,
    mask_tasks,
    sum_over_tasks,
)
from maml_tf.inner_loop.tasks import number_of_tasks, over_tasks, repeat_for_tasks
from maml_tf.inner_loop.update_rules import UpdateRule

Tensors = list[tf.Tensor]
Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
Assigned = dict[int, tf.Tensor]

__all__ = ["InnerLoop", "call_model", "is_seed"]


class InnerLoop:
    """A base learner, its fast variables, an inner loss and an update rule.

    No variable is ever assigned: the variables' values are read once, before tasks are
    mapped, and every run of the base learner sees tensors in their place. `constants`
    below is the list of those values, in the order of `constant_variables`. Layers
    before the first fast weight run once a task and not once a step.

    Args:
        model: a built Keras model.
        fast_variables: the trainable variables that the steps change.
        loss: from targets and predictions of one task to a scalar or one value per
            example, which is then averaged.
        rule: the update rule.
        meta_gradient: how gradients go through the steps; see
            `maml_tf.inner_loop.meta_gradients`.
        vectorized: run all tasks at once, or one after the other.
        batch_size: how many examples of the support set a step sees at most; by
            default all. See `maml_tf.inner_loop.problem.batch_rows`.
    """

    def __init__(
        self,
        model: keras.Model,
        fast_variables: list[keras.Variable],
        loss: Loss,
        rule: UpdateRule,
        *,
        meta_gradient: str | MetaGradient = "exact",
        vectorized: bool = True,
        batch_size: int | None = None,
    ) -> None:
        self.model = model
        self.fast_variables = fast_variables
        self.loss = loss
        self.rule = rule
        self.meta_gradient = get_meta_gradient(meta_gradient)
        self.vectorized = vectorized
        self.batch_size = batch_size
        self.split = split_model(model, fast_variables)
        fast = {id(v) for v in fast_variables}
        self.constant_variables = [
            v for v in [*model.variables, *rule.variables] if id(v) not in fast
        ]
        late = {id(v) for v in [*self.split.rest_variables, *rule.variables]}
        # The constants that the steps differentiate by. Layers that the steps do not
        # run get their gradient through the features.
        self.shared_places = [
            place
            for place, v in enumerate(self.constant_variables)
            if v.trainable and id(v) in late
        ]
        self._functions: dict[Any, Any] = {}

    def initial(self) -> Tensors:
        """The values that the fast variables start from, without a task axis."""
        return [tf.convert_to_tensor(v.value) for v in self.fast_variables]

    def constants(self) -> Tensors:
        """The values of every other variable, read outside the mapped functions."""
        return [tf.convert_to_tensor(v.value) for v in self.constant_variables]

    def run(
        self,
        part: Part,
        fast: Tensors | None,
        constants: Tensors,
        inputs: Any,
        *,
        training: bool = False,
        seed: tf.Tensor | None = None,
    ) -> tuple[Any, Assigned]:
        """Runs a part of the model for one task.

        Returns:
            Its outputs, and the constants that it assigned: place to new value.
        """
        values = [
            value + tf.cast(seed, value.dtype)
            if seed is not None and is_seed(variable)
            else value
            for variable, value in zip(self.constant_variables, constants, strict=True)
        ]
        mapping = list(zip(self.constant_variables, values, strict=True))
        if fast is not None:
            mapping += zip(self.fast_variables, fast, strict=True)
        with exact_moments(), keras.StatelessScope(state_mapping=mapping) as scope:
            before = [scope.get_current_value(v) for v in self.constant_variables]
            outputs = part(inputs, training)
        after = [scope.get_current_value(v) for v in self.constant_variables]
        return outputs, {
            place: tf.identity(new)
            for place, (old, new) in enumerate(zip(before, after, strict=True))
            if new is not old and new.dtype.is_floating
        }

    def predict_task(
        self,
        fast: Tensors,
        constants: Tensors,
        inputs: Any,
        *,
        training: bool = False,
        seed: tf.Tensor | None = None,
    ) -> tuple[Any, Assigned]:
        """Runs the whole model for one task; see `run`."""

        def whole(inputs, training):
            return call_model(self.model, inputs, training)

        return self.run(whole, fast, constants, inputs, training=training, seed=seed)

    def features(
        self, constants: Tensors, inputs: Any, *, training: bool = False
    ) -> tuple[Any, Assigned]:
        """What the layers before the first fast weight give; they run once a task.

        Args:
            constants: see `constants()`.
            inputs: a nest of tensors `[tasks, examples, ...]`.
            training: whether layers run in training mode.

        Returns:
            A nest of tensors `[tasks, examples, ...]`, the inputs themselves where
            nothing is shared, and the assigned constants `[tasks, ...]` by place.
        """
        if not self.split.shares:
            return inputs, {}

        def task(element):
            outputs, assigned = self.run(
                self.split.shared, None, constants, element, training=training
            )
            # A map cannot stack a tensor that it only passes through.
            return tf.nest.map_structure(tf.identity, outputs), assigned

        return over_tasks(task, inputs, vectorized=self.vectorized)

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
        per_task: bool = False,
        differentiable: bool = True,
        every_step: bool = False,
    ) -> Tensors:
        """Fast weights `[tasks, ...]` after `steps` updates on each task's support set.

        A task whose inner loss is NaN or infinite at some step gets NaN weights; they
        pass no gradient on.

        Args:
            fast: the starting weights, without a task axis: all tasks start alike.
            constants: see `constants()`.
            inputs: support inputs, a nest of tensors `[tasks, support, ...]`.
            targets: support targets `[tasks, support, ...]`.
            steps: how many updates; zero gives the starting weights.
            training: whether layers such as dropout run in training mode.
            seeds: `[tasks]`, so that dropout differs between tasks and steps.
            per_task: the starting weights have a task axis; each task has its own.
            differentiable: give gradients by `meta_gradient`; otherwise the steps run
                in a plain `tf.while_loop`, for when no gradient is wanted.
            every_step: give the weights after each of one or more steps, differentiable
                ones, `[tasks, steps, ...]`.
        """
        keywords = {
            "steps": steps,
            "training": training,
            "per_task": per_task,
            "differentiable": differentiable,
            "every_step": every_step,
        }
        return self._call(
            self._adapt, (fast, constants, inputs, targets, seeds), keywords
        )

    def _adapt(
        self,
        fast,
        constants,
        inputs,
        targets,
        seeds,
        *,
        steps,
        training,
        per_task,
        differentiable,
        every_step,
    ):
        tasks = number_of_tasks(tf.nest.flatten(targets)[0])
        if not per_task:
            fast = repeat_for_tasks(fast, tasks)
        if steps == 0:
            return fast
        features, _ = self.features(constants, inputs, training=training)
        elements = {"targets": targets}
        if seeds is not None:
            elements["seed"] = seeds
        problem = InnerProblem(
            self, constants, elements, steps, training, every_step=every_step
        )
        stacked = {"fast": fast, "state": problem.init(fast), "inputs": features}
        problem = self.meta_gradient.prepare(problem, stacked)
        shared = [constants[place] for place in self.shared_places]
        if not (differentiable or every_step):
            recursion = Recursion(problem, stacked, shared)
            weights, _, finite, _ = recursion.forward(stacked, recursion.whole)
            return mask_tasks(finite, weights, float("nan"))
        return differentiate_per_task(
            lambda stacked, shared: self.meta_gradient.run(problem, stacked, shared),
            stacked,
            shared,
        )

    def predict(
        self,
        fast: Tensors,
        constants: Tensors,
        inputs: Any,
        *,
        training: bool = False,
        seeds: tf.Tensor | None = None,
    ) -> tuple[Any, Assigned]:
        """Predictions under each task's weights.

        Args:
            fast: weights `[tasks, ...]`.
            constants: see `constants()`.
            inputs: query inputs, a nest of tensors `[tasks, query, ...]`.
            training: whether layers run in training mode. Then a task whose weights
                or predictions are not finite gets NaN and passes no gradient on.
            seeds: `[tasks]`, or None.

        Returns:
            The predictions `[tasks, query, ...]`, and in training the constants that
            the model assigned, such as batch statistics, `[tasks, ...]` by place.
        """
        keywords = {"training": training}
        return self._call(self._predict, (fast, constants, inputs, seeds), keywords)

    def _predict(self, fast, constants, inputs, seeds, *, training):
        features, assigned = self.features(constants, inputs, training=training)
        shared = [constants[place] for place in self.shared_places]

        def forward(stacked, shared):
            def task(element):
                values = self.replace_shared(constants, element.get("shared", shared))
                return self.run(
                    self.split.rest,
                    element["fast"],
                    values,
                    element["features"],
                    training=training,
                    seed=element.get("seed"),
                )

            elements = dict(stacked) if seeds is None else {**stacked, "seed": seeds}
            return over_tasks(task, elements, vectorized=self.vectorized)

        stacked = {"fast": fast, "features": features}
        if not training:
            return forward(stacked, shared)[0], {}

        def run(stacked, shared):
            tasks = number_of_tasks(stacked["fast"][0])
            finite = finite_tasks(stacked["fast"])
            # Broken weights would break the tape too, zero times NaN being NaN.
            safe = {**stacked, "fast": mask_tasks(finite, stacked["fast"])}
            leaves = {**safe, "shared": repeat_for_tasks(shared, tasks)}
            with tf.GradientTape(persistent=True) as tape:
                read = watched(tape, leaves)
                outputs = forward(read, shared)
            finite = finite & finite_tasks(tf.nest.flatten(outputs[0]))

            def backward(upstream):
                found = vector_jacobian_product(tape, outputs, upstream, read)
                by_stacked = {
                    k: gradients_like(v, found[k]) for k, v in stacked.items()
                }
                return by_stacked, sum_over_tasks(finite, found["shared"])

            return outputs, finite, backward

        predictions, more = differentiate_per_task(run, stacked, shared)
        return predictions, {**assigned, **more}

    def replace_shared(self, constants: Tensors, shared: Tensors) -> Tensors:
        """The constants with other values at `shared_places`."""
        values = list(constants)
        for place, value in zip(self.shared_places, shared, strict=True):
            values[place] = value
        return values

    def _call(self, function: Callable, arguments: tuple, keywords: dict) -> Any:
        """Calls a function of tensors; outside a graph, traced once and then reused.

        A function of its own for each number of tasks keeps that number static when
        TensorFlow relaxes the lengths of texts or the sizes of support sets.
        """
        if not tf.executing_eagerly():
            return function(*arguments, **keywords)
        sizes = [t.shape[0] for t in tf.nest.flatten(arguments[2])]
        key = (function.__name__, sizes[0], *sorted(keywords.items()))
        if key not in self._functions:
            self._functions[key] = tf.function(
                lambda *arguments: function(*arguments, **keywords),
                autograph=False,
                reduce_retracing=True,
            )
        return self._functions[key](*arguments)


def is_seed(variable: keras.Variable) -> bool:
    """Whether the variable is the state of a Keras seed generator."""
    return variable.name == "seed_generator_state"
