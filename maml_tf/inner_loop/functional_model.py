"""A Keras model as a pure function of its weights, for one task and for a batch."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from maml_tf.inner_loop.exact_moments import exact_moments
from maml_tf.inner_loop.shared_layers import Part, split_model
from maml_tf.inner_loop.sums import sum_in_pairs
from maml_tf.inner_loop.tape import (
    Tensors,
    gradients_like,
    vector_jacobian_product,
    watched,
)
from maml_tf.inner_loop.task_gradients import (
    differentiate_per_task,
    finite_tasks,
    mask_tasks,
    sum_over_tasks,
)
from maml_tf.inner_loop.tasks import TaskMap, number_of_tasks, repeat_for_tasks

Assigned = dict[int, tf.Tensor]


class Ran(NamedTuple):
    """What a run of the model, or of a part of it, gives.

    Attributes:
        outputs: a nest of tensors.
        assigned: the constants that it assigned: place to new value.
        losses: the sum of what layers added by `add_loss` and activity regularisers, or
            nothing where none did.
    """

    outputs: Any
    assigned: Assigned
    losses: Tensors


class FunctionalModel:
    """A base learner that reads tensors in the place of its variables.

    No variable is ever assigned: the variables' values are read once, before tasks are
    mapped, and every run of the base learner sees tensors in their place. `constants`
    below is the list of those values, in the order of `constant_variables`. Layers
    before the first fast weight run once a task and not once a step.

    Args:
        model: a built Keras model.
        fast_variables: the trainable variables that the inner steps change.
        more_variables: further variables that the steps read, those of an update rule.
        vectorized: run all tasks at once, or one after the other.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    >>> functional = FunctionalModel(model, model.trainable_variables)
    >>> fast = repeat_for_tasks(functional.initial(), 4)
    >>> inputs = tf.ones((4, 5, 2))
    >>> functional.predict(fast, functional.constants(), inputs)[0].shape
    TensorShape([4, 5, 3])
    """

    def __init__(
        self,
        model: keras.Model,
        fast_variables: list[keras.Variable],
        more_variables: list[keras.Variable] | None = None,
        *,
        vectorized: bool = True,
    ) -> None:
        self.model = model
        self.fast_variables = fast_variables
        self.map = TaskMap(vectorized)
        self.split = split_model(model, fast_variables)
        more = more_variables or []
        fast = {id(v) for v in fast_variables}
        self.constant_variables = [
            v for v in [*model.variables, *more] if id(v) not in fast
        ]
        late = {id(v) for v in [*self.split.rest_variables, *more]}
        # The constants that the steps differentiate by. Layers that the steps do not
        # run get their gradient through the features.
        self.shared_places = [
            place
            for place, v in enumerate(self.constant_variables)
            if v.trainable and id(v) in late
        ]

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
    ) -> Ran:
        """Runs a part of the model for one task."""
        values = [
            value + tf.cast(seed, value.dtype)
            if seed is not None and is_seed(variable)
            else value
            for variable, value in zip(self.constant_variables, constants, strict=True)
        ]
        mapping = list(zip(self.constant_variables, values, strict=True))
        if fast is not None:
            mapping += zip(self.fast_variables, fast, strict=True)
        with exact_moments(), _Scope(mapping) as scope:
            before = [scope.get_current_value(v) for v in self.constant_variables]
            outputs = part(inputs, training)
        after = [scope.get_current_value(v) for v in self.constant_variables]
        assigned = {
            place: tf.identity(new)
            for place, (old, new) in enumerate(zip(before, after, strict=True))
            if new is not old and new.dtype.is_floating
        }
        return Ran(outputs, assigned, self._sum(scope.added))

    def penalties(self, fast: Tensors) -> Tensors:
        """The weight regularisers at one task's weights; see `Ran.losses`."""
        return self._sum(
            [
                variable.regularizer(weight)
                for variable, weight in zip(self.fast_variables, fast, strict=True)
                if variable.regularizer is not None and variable.trainable
            ]
        )

    def _sum(self, losses: Tensors) -> Tensors:
        dtype = self.model.variable_dtype
        losses = [tf.cast(tf.reduce_sum(loss), dtype) for loss in losses]
        return [sum_in_pairs(losses)] if losses else []

    def features(
        self, constants: Tensors, inputs: Any, *, training: bool = False
    ) -> Ran:
        """What the layers before the first fast weight give; they run once a task.

        Args:
            constants: see `constants()`.
            inputs: a nest of tensors `[tasks, examples, ...]`.
            training: whether layers run in training mode.

        Returns:
            Outputs `[tasks, examples, ...]`, the inputs themselves where nothing is
            shared, assigned constants `[tasks, ...]` and losses `[tasks]`.
        """
        if not self.split.shares:
            return Ran(inputs, {}, [])

        def task(element: Any) -> Ran:
            ran = self.run(
                self.split.shared, None, constants, element, training=training
            )
            # A map cannot stack a tensor that it only passes through.
            outputs = tf.nest.map_structure(tf.identity, ran.outputs)
            return ran._replace(outputs=outputs)

        return self.map(("features", training), task, inputs)

    def predict(
        self,
        fast: Tensors,
        constants: Tensors,
        inputs: Any,
        seeds: tf.Tensor | None = None,
        *,
        training: bool = False,
    ) -> Ran:
        """Predictions under each task's weights; see `InnerLoop.predict`."""
        before = self.features(constants, inputs, training=training)
        ran = self.predict_features(
            fast, constants, before.outputs, seeds, training=training, guarded=training
        )
        return Ran(
            ran.outputs,
            {**before.assigned, **ran.assigned},
            [*before.losses, *ran.losses],
        )

    def predict_features(
        self,
        fast: Tensors,
        constants: Tensors,
        features: Any,
        seeds: tf.Tensor | None = None,
        *,
        training: bool = False,
        guarded: bool = False,
    ) -> Ran:
        """Predictions of what `features` gives, under each task's weights.

        Args:
            fast: weights `[tasks, ...]`.
            constants: see `constants()`.
            features: a nest of tensors `[tasks, examples, ...]`.
            seeds: `[tasks]`, or None.
            training: whether layers run in training mode.
            guarded: give a task whose weights or predictions are not finite NaN and no
                gradient. What the layers assigned is told only then.
        """
        shared = [constants[place] for place in self.shared_places]

        def forward(stacked: Any, shared: Tensors) -> Ran:
            def task(element: Any) -> Ran:
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
            return self.map(("queries", training), task, elements)

        stacked = {"fast": fast, "features": features}
        if not guarded:
            return forward(stacked, shared)._replace(assigned={})

        def run(stacked: Any, shared: Tensors) -> Any:
            tasks = number_of_tasks(stacked["fast"][0])
            finite = finite_tasks(stacked["fast"])
            # Broken weights would break the tape too, zero times NaN being NaN.
            safe = {**stacked, "fast": mask_tasks(finite, stacked["fast"])}
            leaves = {**safe, "shared": repeat_for_tasks(shared, tasks)}
            with tf.GradientTape(persistent=True) as tape:
                read = watched(tape, leaves)
                ran = forward(read, shared)
            finite = finite & finite_tasks(tf.nest.flatten((ran.outputs, ran.losses)))

            def backward(upstream: Tensors) -> tuple[Any, Tensors]:
                found = vector_jacobian_product(tape, ran, upstream, read)
                by_stacked = {
                    k: gradients_like(v, found[k]) for k, v in stacked.items()
                }
                return by_stacked, sum_over_tasks(finite, found["shared"])

            return ran, finite, backward

        return differentiate_per_task(run, stacked, shared)

    def replace_shared(self, constants: Tensors, shared: Tensors) -> Tensors:
        """The constants with other values at `shared_places`."""
        values = list(constants)
        for place, value in zip(self.shared_places, shared, strict=True):
            values[place] = value
        return values


class _Scope(keras.StatelessScope):
    """A scope that keeps what layers add to the loss, in every call of each layer.

    Keras' own forgets those of a layer's first call at its second, unless both are part
    of one call of a model.
    """

    def __init__(self, state_mapping: Any) -> None:
        super().__init__(state_mapping, collect_losses=True)
        self.added: Tensors = []

    def add_loss(self, loss: tf.Tensor) -> None:
        super().add_loss(loss)
        self.added.append(loss)


def is_seed(variable: keras.Variable) -> bool:
    """Whether the variable is the state of a Keras seed generator."""
    return variable.name == "seed_generator_state"
