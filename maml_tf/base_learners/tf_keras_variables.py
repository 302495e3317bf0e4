"""Running a tf-keras model on values that are not its own variables.

Keras 2 has no stateless call. What its layers do have is attributes: `Dense.call`
reads `self.kernel`, and whatever tensor stands there is used. So the references to
the variables are found once, and for the duration of a call each is replaced by the
value to use.
"""

import contextlib
import copy
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

# Lists in which Keras 2 keeps account of variables; no layer computes with them.
_ACCOUNTS = frozenset(
    {
        "_trainable_weights",
        "_non_trainable_weights",
        "_undeduplicated_weights",
        "_self_unconditional_checkpoint_dependencies",
        "_self_unconditional_dependency_names",
        "_self_saveable_object_factories",
        "optimizer",
        "compiled_loss",
        "compiled_metrics",
    }
)

# Two threads that trace the same model would see each other's values. Only tracing
# and eager calls hold the lock, not the runs of a traced graph.
_LOCK = threading.RLock()


class Reference(NamedTuple):
    """An attribute that holds variables, directly or inside lists, dicts and tuples.

    Attributes:
        owner: The layer or module that has the attribute.
        attribute: Its name.
        variables: The ids of the variables that it leads to.
    """

    owner: Any
    attribute: str
    variables: frozenset[int]


class References(NamedTuple):
    """Every place of a model that a call has to change.

    Attributes:
        to_variables: The attributes that hold variables.
        to_generators: The (owner, attribute) of random number generators.
    """

    to_variables: list[Reference]
    to_generators: list[tuple[Any, str]]


def find_references(model: tf.Module) -> References:
    """Walks a tf-keras model for its references to variables and generators.

    Args:
        model: A built tf-keras model.

    Returns:
        The references, in the order they were met.

    Example:

    >>> module = tf.Module()
    >>> module.weights = [tf.Variable(1.0), tf.Variable(2.0)]
    >>> [found] = find_references(module).to_variables
    >>> found.attribute, len(found.variables)
    ('weights', 2)
    """
    found = References([], [])
    seen: set[int] = set()
    waiting: list[Any] = [model]
    while waiting:
        owner = waiting.pop()
        if id(owner) in seen:
            continue
        seen.add(id(owner))
        for attribute, value in list(vars(owner).items()):
            if attribute in _ACCOUNTS:
                continue
            if _is_generator(value):
                found.to_generators.append((owner, attribute))
                continue
            variables = set()
            for leaf in _leaves(value):
                if isinstance(leaf, tf.Variable):
                    variables.add(id(leaf))
                elif isinstance(leaf, tf.Module | tf.__internal__.tracking.Trackable):
                    waiting.append(leaf)
            if variables:
                reference = Reference(owner, attribute, frozenset(variables))
                found.to_variables.append(reference)
    return found


@contextlib.contextmanager
def swapped(
    references: References,
    values: Mapping[int, Any],
    next_seed: Callable[[], tf.Tensor],
) -> Iterator[None]:
    """Puts values in the place of variables while the context is open.

    Args:
        references: What `find_references` returned.
        values: From the id of a variable to what stands in for it; a variable that
            is missing here stays.
        next_seed: Returns a new seed of shape [2] at each call, for the random
            layers.

    Yields:
        Nothing. Everything is put back at the end, after an exception as well.

    Example:

    >>> module = tf.Module()
    >>> module.weight = tf.Variable(1.0)
    >>> found = find_references(module)
    >>> with swapped(found, {id(module.weight): tf.constant(5.0)}, None):
    ...     float(module.weight)
    5.0
    >>> float(module.weight)
    1.0
    """
    with _LOCK:
        originals: list[tuple[Any, str, Any]] = []
        try:
            for owner, attribute, variables in references.to_variables:
                if variables.isdisjoint(values):
                    continue
                original = vars(owner)[attribute]
                originals.append((owner, attribute, original))
                # Past `__setattr__`, which would track the tensor as a weight.
                vars(owner)[attribute] = _replaced(original, values, owner)
            for owner, attribute in references.to_generators:
                original = vars(owner)[attribute]
                originals.append((owner, attribute, original))
                vars(owner)[attribute] = _seeded(original, next_seed)
            yield
        finally:
            for owner, attribute, original in reversed(originals):
                vars(owner)[attribute] = original


class StateProxy:
    """Stands in for a non-trainable variable: reads and assigns a Keras 3 one.

    Batch normalisation assigns its moving averages during a call. Assigned to the
    Keras 3 variable, they go where every Keras 3 layer's state goes, so that a
    `keras.StatelessScope` catches them.

    Args:
        variable: The `keras.Variable` to read and assign.

    Example:

    >>> import keras
    >>> proxy = StateProxy(keras.Variable(2.0))
    >>> proxy.assign_sub(0.5)
    >>> float(proxy + 1.0)
    2.5
    """

    # Tensors on the left of an operator leave it to the proxy.
    __array_priority__ = 200

    def __init__(self, variable: Any) -> None:
        self._variable = variable

    def read_value(self) -> tf.Tensor:
        """Returns the current value as a tensor."""
        return tf.convert_to_tensor(self._variable.value)

    value = read_value

    def assign(self, value: Any, *_: Any, **__: Any) -> None:
        """Assigns to the Keras 3 variable."""
        self._variable.assign(tf.cast(value, self._variable.dtype))

    def assign_add(self, delta: Any, *_: Any, **__: Any) -> None:
        """Adds to the Keras 3 variable."""
        self.assign(self.read_value() + tf.cast(delta, self._variable.dtype))

    def assign_sub(self, delta: Any, *_: Any, **__: Any) -> None:
        """Subtracts from the Keras 3 variable."""
        self.assign(self.read_value() - tf.cast(delta, self._variable.dtype))

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> tf.Tensor:
        return tf.convert_to_tensor(self.read_value(), dtype=dtype, name=name)

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return getattr(self.read_value(), attribute)


def _forward_operator(name: str) -> None:
    def operator(self: StateProxy, *operands: Any) -> Any:
        return getattr(self.read_value(), name)(*operands)

    setattr(StateProxy, name, operator)


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"):
    _forward_operator(f"__{_name}__")
    _forward_operator(f"__r{_name}__")
for _name in ("neg", "abs", "getitem", "lt", "le", "gt", "ge", "float", "int", "bool"):
    _forward_operator(f"__{_name}__")


def _is_generator(value: Any) -> bool:
    """Whether this is Keras 2's `RandomGenerator`, which has no public name."""
    return hasattr(type(value), "make_seed_for_stateless_op")


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def _replaced(value: Any, values: Mapping[int, Any], owner: Any) -> Any:
    """Copies containers, so that those of the model are never written to."""
    if isinstance(value, dict):
        return {key: _replaced(inner, values, owner) for key, inner in value.items()}
    if isinstance(value, tuple) and (make := getattr(value, "_make", None)):
        return make(_replaced(inner, values, owner) for inner in value)
    if isinstance(value, list | tuple):
        copied = [_replaced(inner, values, owner) for inner in value]
        return tuple(copied) if isinstance(value, tuple) else copied
    replacement = values.get(id(value), value)
    if replacement is not value and type(value).__name__ == "AutoCastVariable":
        # Mixed precision: such a variable reads as its layer's compute type.
        return tf.cast(replacement, owner.compute_dtype)
    return replacement


def _seeded(generator: Any, next_seed: Callable[[], tf.Tensor]) -> Any:
    """Copies a generator so that it draws by stateless operations from our seeds."""
    stateless = copy.copy(generator)
    stateless._rng_type = "stateless"
    stateless._built = True
    stateless.make_seed_for_stateless_op = next_seed
    return stateless
