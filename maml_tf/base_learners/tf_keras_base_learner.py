"""A tf-keras (Keras 2) model as a base learner.

`from_tf_keras` wraps a sequential, functional or subclassed `tf_keras.Model` into a
Keras 3 model that owns one Keras 3 variable for each of its variables. A call puts
their current values, fast weights included, in the place of the tf-keras variables.
Seeds of random layers come from a Keras 3 seed generator; moving averages are
assigned to the Keras 3 variables.

What cannot work, and what happens instead:

- Variables inside a SavedModel (`hub.KerasLayer`, `tf.saved_model.load`), or ones
  that a `tf.function` or a Python closure has captured, cannot be replaced. They are
  found out when the model is wrapped: they stay as they are, shared and never
  trained, and a warning names them. A model with no other trainable variable is
  refused.
- Layers that have no `tf.vectorized_map` conversion for weights that differ from task
  to task (`Conv2D`, whose filters do) run task by task in a Python loop only.
- Recurrent layers run; under `tf.vectorized_map` they need `unroll=True`.
- Losses from `add_loss` and regularisers are not handed on.
- A subclassed model is saved with the wrapper only if it has a `get_config` and is
  registered by `tf_keras.saving.register_keras_serializable`, or can be imported.
- Variables created later than at the first call are not seen.
"""

import contextlib
import json
import warnings
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from maml_tf.base_learners.errors import BaseLearnerError, first_line
from maml_tf.base_learners.tf_keras_variables import (
    References,
    StateProxy,
    find_references,
    swapped,
)

if TYPE_CHECKING:
    import tf_keras


def from_tf_keras(
    model: "tf_keras.Model", *, sample_inputs: Any = None
) -> "TFKerasBaseLearner":
    """Wraps a tf-keras model so that its weights can be fast weights.

    Args:
        model: A built `tf_keras.Model`: sequential with an input shape, functional,
            or any that has been called once.
        sample_inputs: A batch to try the model on; made of zeros from the shapes it
            was built with if None.

    Returns:
        A Keras 3 model with the same outputs, which starts from copies of the
        weights; `to_tf_keras` copies them back.

    Raises:
        BaseLearnerError: This is no tf-keras model, it is not built, it cannot be
            tried, or none of its trainable variables can be replaced.

    Example:

    >>> import tf_keras
    >>> inner = tf_keras.Sequential(
    ...     [tf_keras.layers.Dense(1, input_shape=[2], name="output")]
    ... )
    >>> base = from_tf_keras(inner)
    >>> [variable.path for variable in base.trainable_variables]
    ['output/kernel', 'output/bias']
    >>> base(tf.ones([3, 2])).shape
    TensorShape([3, 1])
    """
    return TFKerasBaseLearner(model, sample_inputs=sample_inputs, name=model.name)


class _LayerVariables(keras.layers.Layer):
    """Holds the Keras 3 variables of one tf-keras layer, under that layer's name."""

    def __init__(self, name: str, *, inside: str):
        super().__init__(name=name, autocast=False)
        self.model_name = inside
        self.held: list[keras.Variable] = []
        # Shared variables and their copies; past the tracking of variables.
        self.__dict__["_mirrored"] = []
        self.built = True

    def hold(
        self, variable: tf.Variable, *, trainable: bool, shared: bool
    ) -> keras.Variable:
        """Copies a tf-keras variable; `layer/part/kernel:0` keeps part and name."""
        *scopes, name = variable.name.split(":")[0].split("/")
        with contextlib.ExitStack() as stack:
            inner = [s for s in scopes if s not in (self.model_name, self.name)]
            for scope in [self.name, *inner]:
                stack.enter_context(keras.name_scope(scope))
            copied = keras.Variable(
                variable.numpy(),
                dtype=variable.dtype.name,
                trainable=trainable,
                autocast=False,
                name=name,
            )
        self._tracker.unlock()
        self.held.append(copied)
        self._tracker.lock()
        if shared:
            self._mirrored.append((variable, copied))
        return copied

    def load_own_variables(self, store: Any) -> None:
        super().load_own_variables(store)
        # A shared variable is read where it is, so a loaded value has to go there.
        for original, copied in self._mirrored:
            original.assign(copied.value)


@keras.saving.register_keras_serializable(package="maml_tf")
class TFKerasBaseLearner(keras.Model):
    """A Keras 3 model that runs a tf-keras model on its own variables.

    Made by `from_tf_keras`. See the module's documentation for what cannot work.

    Args:
        model: A built `tf_keras.Model`.
        sample_inputs: A batch to try the model on, or None.

    Attributes:
        tf_keras_model: The model inside. Its own variables are left alone until
            `to_tf_keras`.
        shared_variables: The names of those that could not be replaced.

    Call arguments:
        inputs: What the tf-keras model takes.
        training: Handed on if the model takes it.
        mask: Handed on if the model takes it.

    Returns:
        What the tf-keras model returns.

    Example:

    >>> import tf_keras
    >>> inner = tf_keras.Sequential([tf_keras.layers.Dense(1, input_shape=[2])])
    >>> base = TFKerasBaseLearner(inner)
    >>> weights = [tf.zeros([2, 1]), tf.constant([7.0])]
    >>> outputs, _ = base.stateless_call(weights, base.non_trainable_variables,
    ...                                  tf.ones([1, 2]))
    >>> float(outputs[0, 0])
    7.0
    """

    def __init__(
        self, model: "tf_keras.Model", *, sample_inputs: Any = None, **kwargs: Any
    ):
        super().__init__(autocast=False, **kwargs)
        import tf_keras

        if not isinstance(model, tf_keras.Model):
            raise BaseLearnerError(
                f"from_tf_keras takes a tf_keras.Model and not a {type(model).__name__}"
                "; a Keras 3 model is a base learner as it is."
            )
        if not model.built or not model.variables:
            raise BaseLearnerError(
                f"The tf-keras model {model.name!r} has no variables yet; call it on a "
                "batch first."
            )
        sample = _sample(model) if sample_inputs is None else sample_inputs
        self.tf_keras_model = model
        # Hidden from Keras and TensorFlow, whose attribute tracking would wrap and
        # thereby change the containers in it.
        self.__dict__["_references"] = find_references(model)
        self.seed_generator = keras.random.SeedGenerator(name="dropout_seed")
        trainable = {id(variable) for variable in model.trainable_variables}
        shared, unlisted = _unreplaceable(model, self._references, sample)
        if trainable <= shared:
            raise BaseLearnerError(
                f"No trainable variable of the tf-keras model {model.name!r} can be "
                "replaced: there is none, or all are read inside a SavedModel, a "
                "tf.function or a closure."
            )
        self.__dict__["_shared"] = shared
        self.shared_variables = [v.name for v in model.variables if id(v) in shared]
        self.shared_variables += unlisted
        if self.shared_variables:
            warnings.warn(
                f"{len(self.shared_variables)} variables of {model.name!r} stay "
                "shared and are never trained, because they are read inside a "
                "SavedModel, a tf.function or a closure: "
                f"{', '.join(self.shared_variables[:10])}.",
                stacklevel=3,
            )
        self._copy_variables(trainable - shared)
        self.__dict__["_sample_spec"] = tf.nest.map_structure(
            lambda tensor: [list(tensor.shape), tensor.dtype.name], sample
        )
        self.built = True

    def _copy_variables(self, trainable: set[int]) -> None:
        """Makes the Keras 3 variables, layer by layer in the model's own order."""
        pairs: list[tuple[tf.Variable, keras.Variable]] = []
        holders = []
        model = self.tf_keras_model
        in_layers = {id(v) for layer in model.layers for v in layer.variables}
        own = [v for v in model.variables if id(v) not in in_layers]
        # What the model itself owns comes first, so that the last is the last layer.
        groups = [(model.name, own)]
        groups += [(layer.name, layer.variables) for layer in model.layers]
        taken: set[int] = set()
        for name, variables in groups:
            holder = _LayerVariables(name, inside=model.name)
            for variable in variables:
                if id(variable) in taken:
                    continue
                taken.add(id(variable))
                copied = holder.hold(
                    variable,
                    trainable=id(variable) in trainable,
                    shared=id(variable) in self._shared,
                )
                pairs.append((variable, copied))
            if holder.held:
                holders.append(holder)
        self.layer_variables = holders
        self.__dict__["_pairs"] = pairs

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: the tf-keras model is built before it is wrapped."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        values = {}
        for original, copied in self._pairs:
            if id(original) in self._shared:
                continue
            values[id(original)] = (
                tf.convert_to_tensor(copied.value)
                if original.trainable
                else StateProxy(copied)
            )
        arguments = {}
        if training is not None and self.tf_keras_model._expects_training_arg:
            arguments["training"] = training
        if mask is not None and self.tf_keras_model._expects_mask_arg:
            arguments["mask"] = mask
        with swapped(self._references, values, self.seed_generator.next):
            return self.tf_keras_model(inputs, **arguments)

    def to_tf_keras(self) -> "tf_keras.Model":
        """Copies the current weights into the tf-keras model and returns it."""
        for original, copied in self._pairs:
            if id(original) not in self._shared:
                original.assign(copied.value)
        return self.tf_keras_model

    def get_config(self) -> dict[str, Any]:
        import tf_keras

        try:
            serialized = tf_keras.saving.serialize_keras_object(self.tf_keras_model)
            serialized.pop("compile_config", None)
            text = json.dumps(serialized)
        except (NotImplementedError, TypeError, ValueError) as error:
            raise BaseLearnerError(
                f"The tf-keras model {self.tf_keras_model.name!r} cannot be saved: a "
                "subclassed model needs a get_config and "
                "tf_keras.saving.register_keras_serializable."
            ) from error
        # As text, because Keras 3 would take the nested dicts for its own.
        return {
            **super().get_config(),
            "tf_keras_model": text,
            "sample_inputs": json.dumps(self._sample_spec),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TFKerasBaseLearner":
        import tf_keras

        config = dict(config)
        sample = _zeros(json.loads(config.pop("sample_inputs")))
        try:
            model = tf_keras.saving.deserialize_keras_object(
                json.loads(config.pop("tf_keras_model"))
            )
        except (TypeError, ValueError) as error:
            raise BaseLearnerError(
                "The tf-keras model cannot be rebuilt: its classes have to be imported "
                "and registered by tf_keras.saving.register_keras_serializable "
                f"({first_line(error)})."
            ) from error
        if not model.variables:
            model(sample)
        return cls(model, sample_inputs=sample, **config)


def _sample(model: "tf_keras.Model") -> Any:
    """Makes a batch of two zeros from the shapes that the model was built with."""
    spec = model.save_spec()
    if spec is None:
        raise BaseLearnerError(
            f"The input shapes of the tf-keras model {model.name!r} are not known; "
            "call it on a batch first or give sample_inputs."
        )
    (inputs, *_), _ = spec
    return tf.nest.map_structure(
        lambda tensor: tf.zeros([size or 2 for size in tensor.shape], tensor.dtype),
        inputs,
    )


def _zeros(spec: Any) -> Any:
    """Undoes `_sample_spec`: [shape, type name] becomes a tensor of zeros."""
    if isinstance(spec, dict):
        return {key: _zeros(inner) for key, inner in spec.items()}
    if len(spec) == 2 and isinstance(spec[1], str):
        return tf.zeros(spec[0], spec[1])
    return [_zeros(inner) for inner in spec]


def _unreplaceable(
    model: "tf_keras.Model", references: References, sample: Any
) -> tuple[set[int], list[str]]:
    """Finds the variables that a call still reads after all have been replaced.

    A gradient of the outputs with respect to the original variable, while a copy
    stands in for it, says that the copy is not what was read.

    Returns:
        The ids of such variables, and the names of trainable variables that the call
        reads without the model having them among its own.
    """
    referenced = set().union(*(r.variables for r in references.to_variables))
    values = {id(v): tf.identity(v) for v in model.variables if id(v) in referenced}
    floating = [v for v in model.variables if v.dtype.is_floating]
    try:
        # First as it is: a `tf.function` inside traces, and captures, what it meets.
        model(sample)
        with (
            swapped(references, values, lambda: tf.zeros([2], tf.int32)),
            tf.GradientTape() as tape,
        ):
            tape.watch(floating)
            outputs = [
                tf.reduce_sum(output)
                for output in tf.nest.flatten(model(sample))
                if output.dtype.is_floating
            ]
    except Exception as error:
        # The model is the caller's code and may raise anything on zeros.
        raise BaseLearnerError(
            f"The tf-keras model {model.name!r} fails on a batch of zeros; give "
            f"sample_inputs that it takes ({first_line(error)})."
        ) from error
    gradients = tape.gradient(outputs, floating)
    read = {
        id(v)
        for v, gradient in zip(floating, gradients, strict=True)
        if gradient is not None
    }
    unreferenced = {id(v) for v in model.variables if id(v) not in referenced}
    listed = {id(v) for v in model.variables}
    unlisted = [v.name for v in tape.watched_variables() if id(v) not in listed]
    return read | unreferenced, unlisted
