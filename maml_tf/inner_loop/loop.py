"""K inner steps on the support sets of a batch of tasks, as a pure function."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from maml_tf.inner_loop.functional_model import (
    Assigned,
    FunctionalModel,
    Tensors,
    is_seed,
)
from maml_tf.inner_loop.meta_gradients import MetaGradient, get_meta_gradient
from maml_tf.inner_loop.meta_gradients.step_loops import StepLoops
from maml_tf.inner_loop.problem import InnerProblem, Loss, Support
from maml_tf.inner_loop.shared_layers import call_model
from maml_tf.inner_loop.task_gradients import break_tasks, differentiate_per_task
from maml_tf.inner_loop.tasks import number_of_tasks, repeat_for_tasks
from maml_tf.inner_loop.update_rules import UpdateRule

__all__ = ["InnerLoop", "call_model", "is_seed"]


class InnerLoop:
    """A base learner, its fast variables, an inner loss and an update rule.

    It puts together the base learner as a function of its weights (`functional`, a
    `FunctionalModel`), the inner problem and the meta-gradient. A fast variable whose
    layer is frozen later keeps the value it starts from until it is trainable again.

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
        relative: the loss is of predictions minus those of the starting weights, which
            are made once a task, and differentiated like all else.
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
        relative: bool = False,
    ) -> None:
        self.functional = FunctionalModel(
            model, fast_variables, rule.variables, vectorized=vectorized
        )
        self.loss = loss
        self.rule = rule
        self._meta_gradient = get_meta_gradient(meta_gradient)
        self._here = threading.local()
        self.batch_size = batch_size
        self.relative = relative
        self._functions: dict[Any, Any] = {}

    @property
    def fast_variables(self) -> list[keras.Variable]:
        """The variables that the steps change."""
        return self.functional.fast_variables

    @property
    def constant_variables(self) -> list[keras.Variable]:
        """All other variables that the steps read, in the order of `constants`."""
        return self.functional.constant_variables

    @property
    def meta_gradient(self) -> MetaGradient:
        """How gradients go through the steps, here and now."""
        instead = getattr(self._here, "meta_gradient", None)
        return instead or self._meta_gradient

    @contextlib.contextmanager
    def differentiated_by(self, meta_gradient: str | MetaGradient) -> Iterator[None]:
        """Lets `adapt` have another meta-gradient inside, in this thread alone."""
        before = getattr(self._here, "meta_gradient", None)
        self._here.meta_gradient = get_meta_gradient(meta_gradient)
        try:
            yield
        finally:
            self._here.meta_gradient = before

    @contextlib.contextmanager
    def added_losses(self) -> Iterator[Tensors]:
        """Collects what layers add to the loss while `predict` runs inside.

        Yields:
            A list that will hold tensors `[tasks]`.
        """
        before = getattr(self._here, "added", None)
        added: Tensors = []
        self._here.added = added
        try:
            yield added
        finally:
            self._here.added = before

    def initial(self) -> Tensors:
        """The values that the fast variables start from, without a task axis."""
        return self.functional.initial()

    def constants(self) -> Tensors:
        """The values of every other variable, read outside the mapped functions."""
        return self.functional.constants()

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
        fast: Tensors,
        constants: Tensors,
        inputs: Any,
        targets: Any,
        seeds: tf.Tensor | None,
        *,
        steps: int,
        training: bool,
        per_task: bool,
        differentiable: bool,
        every_step: bool,
    ) -> Tensors:
        tasks = number_of_tasks(tf.nest.flatten(targets)[0])
        if not per_task:
            fast = repeat_for_tasks(fast, tasks)
        if steps == 0:
            return fast
        ran = self.functional.features(constants, inputs, training=training)
        elements = {"targets": targets}
        if seeds is not None:
            elements["seed"] = seeds
        problem = InnerProblem(
            self.functional,
            self.loss,
            self.rule,
            constants,
            elements,
            steps,
            training,
            batch_size=self.batch_size,
            every_step=every_step,
            relative=self.relative,
        )
        support = Support(ran.outputs)
        if self.relative:
            start = self.functional.predict_features(
                fast, constants, ran.outputs, guarded=differentiable or every_step
            )
            support = support._replace(start=start.outputs)
        stacked = {"fast": fast, "state": problem.init(fast), "inputs": support}
        problem = self.meta_gradient.prepare(problem, stacked)
        shared = [constants[place] for place in self.functional.shared_places]
        if not (differentiable or every_step):
            steps_taken = StepLoops(problem, stacked, shared)
            weights, _, finite, _ = steps_taken.forward(stacked, steps_taken.whole)
            return break_tasks(finite, weights)
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
        ran = self._call(
            self.functional.predict, (fast, constants, inputs, seeds), keywords
        )
        added = getattr(self._here, "added", None)
        if added is not None:
            added += ran.losses
        return ran.outputs, ran.assigned

    def predict_start(
        self,
        fast: Tensors,
        constants: Tensors,
        inputs: Any,
        *,
        per_task: bool = False,
        guarded: bool = False,
    ) -> Any:
        """Predictions of the starting weights `[tasks, query, ...]`, without dropout.

        Args:
            fast, per_task: the starting weights, see `adapt`.
            constants: see `constants()`.
            inputs: query inputs, a nest of tensors `[tasks, query, ...]`.
            guarded: give a task that is not finite NaN and no gradient.
        """
        keywords = {"per_task": per_task, "guarded": guarded}
        return self._call(self._predict_start, (fast, constants, inputs), keywords)

    def _predict_start(
        self,
        fast: Tensors,
        constants: Tensors,
        inputs: Any,
        *,
        per_task: bool,
        guarded: bool,
    ) -> Any:
        if not per_task:
            tasks = number_of_tasks(tf.nest.flatten(inputs)[0])
            fast = repeat_for_tasks(fast, tasks)
        ran = self.functional.features(constants, inputs)
        return self.functional.predict_features(
            fast, constants, ran.outputs, guarded=guarded
        ).outputs

    def _call(self, function: Callable, arguments: tuple, keywords: dict) -> Any:
        """Calls a function of tensors; outside a graph, traced once and then reused.

        A function of its own for each number of tasks, and for tensors of as many axes,
        keeps these static when TensorFlow relaxes the lengths of texts or the sizes of
        support sets.
        """
        if not tf.executing_eagerly():
            return function(*arguments, **keywords)
        tasks = tf.nest.flatten(arguments[2])[0].shape[0]
        axes = tuple(len(t.shape) for t in tf.nest.flatten(arguments) if t is not None)
        frozen = tuple(v.trainable for v in self.fast_variables)
        way = repr(self.meta_gradient)
        options = sorted(keywords.items())
        key = (function.__name__, tasks, axes, frozen, way, *options)
        if key not in self._functions:
            self._functions[key] = tf.function(
                lambda *arguments: function(*arguments, **keywords),
                autograph=False,
                reduce_retracing=True,
            )
        return self._functions[key](*arguments)
