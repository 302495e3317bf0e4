"""The inner problem of a batch of tasks: its objective, its steps and their loop."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from maml_tf.inner_loop.functional_model import FunctionalModel, Tensors
from maml_tf.inner_loop.update_rules import UpdateRule

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class Support(NamedTuple):
    """What the steps read of support sets and differentiate by.

    Attributes:
        features: what the layers before the first fast weight give.
        start: predictions of the support set before the first step, or () where the
            loss does not ask for them.
    """

    features: Any
    start: Any = ()


class Step(NamedTuple):
    """What one inner step of a task, or of all, begins from and ends with."""

    weights: Tensors
    state: Any
    gradients: Tensors
    loss: tf.Tensor


class InnerProblem(NamedTuple):
    """Pure functions of one task's weights, and the loop over steps of all tasks.

    Attributes:
        functional: the base learner as a function of its weights.
        loss: from targets and predictions to a scalar or one value per example.
        rule: the update rule.
        constants: values of all variables that are not fast.
        elements: `targets` `[tasks, support, ...]` and, with dropout, `seed` `[tasks]`.
        steps: how many updates.
        training: whether layers run in training mode.
        batch_size: how many examples of the support set a step sees at most, or None.
        proximal: weight of half the squared distance to `elements["anchor"]`, which
            the objective then has beside the loss.
        every_step: the weights after each step are asked for, not those after the last.
        relative: the loss is of predictions minus those of `Support.start`.
    """

    functional: FunctionalModel
    loss: Loss
    rule: UpdateRule
    constants: Tensors
    elements: dict[str, Any]
    steps: int
    training: bool
    batch_size: int | None = None
    proximal: float = 0.0
    every_step: bool = False
    relative: bool = False

    def init(self, fast: Tensors) -> Any:
        """The rule's state before the first step, `[tasks, ...]`."""
        mapping = list(
            zip(self.functional.constant_variables, self.constants, strict=True)
        )

        def task(weights: Tensors) -> Any:
            with keras.StatelessScope(state_mapping=mapping):
                return tf.nest.map_structure(tf.identity, self.rule.init(weights))

        return self.map("state", task, fast)

    def map(self, place: str, function: Any, elements: Any) -> Any:
        """Maps over the task axis; `place` says where in the inner loop."""
        return self.functional.map((place, self.training), function, elements)

    def objective(
        self, weights: Tensors, shared: Tensors, element: Any, step: Any
    ) -> tf.Tensor:
        """The scalar that the steps of one task go down on.

        It is the loss, what layers add to it, and the regularisers at the weights.
        """
        seed = element.get("seed")
        if seed is not None:
            seed = seed + 1 + tf.cast(step, seed.dtype)
        support, targets = element["inputs"], element["targets"]
        if self.batch_size is not None:
            examples = tf.shape(tf.nest.flatten(targets)[0])[0]
            rows = batch_rows(examples, self.batch_size, step)
            support, targets = tf.nest.map_structure(
                lambda t: tf.gather(t, rows), (support, targets)
            )
        ran = self.functional.run(
            self.functional.split.rest,
            weights,
            self.functional.replace_shared(self.constants, shared),
            support.features,
            training=self.training,
            seed=seed,
        )
        outputs = ran.outputs
        if self.relative:
            outputs = relative_to(support.start, outputs)
        loss = tf.reduce_mean(self.loss(targets, outputs))
        for more in (*ran.losses, *self.functional.penalties(weights)):
            loss += tf.cast(more, loss.dtype)
        if self.proximal:
            for weight, anchor in zip(weights, element["anchor"], strict=True):
                distance = tf.reduce_sum(tf.square(weight - anchor))
                loss += tf.cast(0.5 * self.proximal * distance, loss.dtype)
        return loss

    def evaluate(
        self, weights: Tensors, shared: Tensors, element: Any, step: Any
    ) -> tuple[tf.Tensor, Tensors]:
        """The objective of one task and its gradient by the fast weights."""
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss = self.objective(weights, shared, element, step)
        gradients = tape.gradient(loss, weights, unconnected_gradients="zero")
        return loss, [tf.convert_to_tensor(g) for g in gradients]

    def update(self, before: Step, shared: Tensors, step: Any) -> tuple[Tensors, Any]:
        """The weights and the state of one task after the rule's step."""
        values = self.functional.replace_shared(self.constants, shared)
        mapping = list(zip(self.functional.constant_variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            weights, state = self.rule.update(
                before.state, before.weights, before.gradients, step, loss=before.loss
            )
        # What has been frozen since the rule was made keeps its value.
        fast = self.functional.fast_variables
        kept = [
            new if variable.trainable else old
            for variable, old, new in zip(fast, before.weights, weights, strict=True)
        ]
        return kept, state

    def step(
        self, weights: Tensors, state: Any, shared: Tensors, element: Any, step: Any
    ) -> tuple[Tensors, Any, Step]:
        """One inner step of one task, and what it began from."""
        loss, gradients = self.evaluate(weights, shared, element, step)
        before = Step(weights, state, gradients, loss)
        return *self.update(before, shared, step), before

    def step_all(
        self, weights: Tensors, state: Any, stacked: Any, shared: Tensors, step: Any
    ) -> tuple[Tensors, Any, Step]:
        """One inner step of all tasks; every tensor but `shared` is `[tasks, ...]`.

        `stacked` has the `inputs`, a `Support`, and may have `shared` with a task axis
        in place of the argument.
        """

        def task(element: Any) -> Any:
            own = element.get("shared", shared)
            new, new_state, before = self.step(
                element["fast"], element["state"], own, element, step
            )
            return new, new_state, before.gradients, before.loss

        elements = {**self.elements, **stacked, "fast": weights, "state": state}
        new, new_state, gradients, losses = self.map("step", task, elements)
        return new, new_state, Step(weights, state, gradients, losses)


def relative_to(start: Any, predictions: Any) -> Any:
    """Predictions minus those before the first step.

    Example:

    >>> relative_to(tf.constant([1.0, 2.0]), tf.constant([1.5, 1.0])).numpy()
    array([ 0.5, -1. ], dtype=float32)
    """
    return tf.nest.map_structure(tf.subtract, predictions, start)


def batch_rows(examples: tf.Tensor, size: int, step: Any) -> tf.Tensor:
    """Which examples a step sees, where it sees no more than `size` of them.

    They are spaced evenly, so that examples sorted by class still come from all
    classes; after `examples / size` steps all have been seen.

    Example:

    >>> [batch_rows(6, 3, step).numpy().tolist() for step in range(3)]
    [[0, 2, 4], [1, 3, 5], [0, 2, 4]]
    """
    size = tf.minimum(size, examples)
    batches = -(-examples // size)
    places = step % batches + batches * tf.range(size)
    return places * examples // (batches * size)
