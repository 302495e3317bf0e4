"""The inner problem of a batch of tasks: its objective, its steps and their loop."""

from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import tensorflow as tf

from maml_tf.inner_loop.tasks import over_tasks

if TYPE_CHECKING:
    from maml_tf.inner_loop.loop import InnerLoop

Tensors = list[tf.Tensor]


class Step(NamedTuple):
    """What one inner step of a task, or of all, begins from and ends with."""

    weights: Tensors
    state: Any
    gradients: Tensors
    loss: tf.Tensor


class InnerProblem(NamedTuple):
    """Pure functions of one task's weights, and the loop over steps of all tasks.

    Attributes:
        loop: the base learner, the inner loss and the update rule.
        constants: values of all variables that are not fast.
        elements: `targets` `[tasks, support, ...]` and, with dropout, `seed` `[tasks]`.
        steps: how many updates.
        training: whether layers run in training mode.
        proximal: weight of half the squared distance to `elements["anchor"]`, which
            the objective then has beside the loss.
        every_step: the weights after each step are asked for, not those after the last.
    """

    loop: "InnerLoop"
    constants: Tensors
    elements: dict[str, Any]
    steps: int
    training: bool
    proximal: float = 0.0
    every_step: bool = False

    def init(self, fast: Tensors) -> Any:
        """The rule's state before the first step, `[tasks, ...]`."""
        mapping = list(zip(self.loop.constant_variables, self.constants, strict=True))

        def task(weights):
            with keras.StatelessScope(state_mapping=mapping):
                return tf.nest.map_structure(tf.identity, self.loop.rule.init(weights))

        return self.map(task, fast)

    def map(self, function: Any, elements: Any) -> Any:
        """Maps over the task axis."""
        return over_tasks(function, elements, vectorized=self.loop.vectorized)

    def objective(self, weights: Tensors, shared: Tensors, element: Any, step: Any):
        """The scalar that the steps of one task go down on."""
        seed = element.get("seed")
        if seed is not None:
            seed = seed + 1 + tf.cast(step, seed.dtype)
        inputs, targets = element["inputs"], element["targets"]
        if self.loop.batch_size is not None:
            examples = tf.shape(tf.nest.flatten(targets)[0])[0]
            rows = batch_rows(examples, self.loop.batch_size, step)
            inputs, targets = tf.nest.map_structure(
                lambda t: tf.gather(t, rows), (inputs, targets)
            )
        predictions, _ = self.loop.run(
            self.loop.split.rest,
            weights,
            self.loop.replace_shared(self.constants, shared),
            inputs,
            training=self.training,
            seed=seed,
        )
        loss = tf.reduce_mean(self.loop.loss(targets, predictions))
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
        values = self.loop.replace_shared(self.constants, shared)
        mapping = list(zip(self.loop.constant_variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return self.loop.rule.update(
                before.state, before.weights, before.gradients, step, loss=before.loss
            )

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

        `stacked` has the `inputs`, and may have `shared` with a task axis in place of
        the argument.
        """

        def task(element):
            own = element.get("shared", shared)
            new, new_state, before = self.step(
                element["fast"], element["state"], own, element, step
            )
            return new, new_state, before.gradients, before.loss

        elements = {**self.elements, **stacked, "fast": weights, "state": state}
        new, new_state, gradients, losses = self.map(task, elements)
        return new, new_state, Step(weights, state, gradients, losses)


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
