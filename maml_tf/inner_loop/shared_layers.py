"""Which layers come before the first fast weight, so that they run once a task.

Their outputs, the features, are the same at every inner step. They are computed once,
and the steps run only the layers behind them: for ANIL that is the head alone, and for
"all but the embeddings" it keeps the embedding table, and dense gradients of it, out of
the steps.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import keras

from maml_tf.base_learners.contracts import (
    GenerativeBaseLearner,
    TextBaseLearner,
    TextEncoding,
)
from maml_tf.base_learners.leading_axes import as_examples, as_rows
from maml_tf.inner_loop.exact_moments import exact_moments

Part = Callable[[Any, bool], Any]


class Split(NamedTuple):
    """A model as two functions: `rest(shared(inputs)) == model(inputs)`.

    Attributes:
        shared: from inputs and `training` to a nest of features `[examples, ...]`.
        rest: from features and `training` to predictions.
        rest_variables: the variables that `rest` reads.
        shares: False where `shared` gives the inputs back and `rest` is the model.
    """

    shared: Part
    rest: Part
    rest_variables: list[keras.Variable]
    shares: bool = True


def split_model(model: keras.Model, fast_variables: list[keras.Variable]) -> Split:
    """Splits a model before the first layer that has a fast weight or draws at random.

    Dropout counts as fast because its mask is drawn anew at every step. Functional and
    sequential models are split along their graph, the package's text models along
    their encoder and its backbone; of any other model nothing is shared.

    Args:
        model: a built Keras model.
        fast_variables: those of its variables that the inner loop changes.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="a"),
    ...                           keras.layers.Dense(2, name="b")])
    >>> split = split_model(model, model.layers[1].trainable_variables)
    >>> [tuple(variable.shape) for variable in split.rest_variables]
    [(3, 2), (2,)]
    """
    fast = {id(v) for v in fast_variables}
    if isinstance(model, TextBaseLearner):
        encoder = model.encoder
        head_is_fast = _is_fast(model.head, fast)
        if not _is_fast(encoder, fast) and head_is_fast:
            return Split(
                lambda inputs, training: model.encode(inputs, training=training),
                lambda features, training: model.classify(features, training=training),
                model.head.variables,
            )
        inner = _split_encoder(encoder, fast)
        if inner is not None:
            return inner._replace(
                rest=lambda features, training: model.classify(
                    inner.rest(features, training), training=training
                ),
                rest_variables=inner.rest_variables + model.head.variables,
            )
    for split in (_split_encoder, _split_language_model, _split_graph):
        found = split(model, fast)
        if found is not None:
            return found
    return Split(
        lambda inputs, training: inputs,
        lambda inputs, training: call_model(model, inputs, training),
        list(model.variables),
        shares=False,
    )


def call_model(model: keras.Model, inputs: Any, training: bool) -> Any:
    """Calls the model, passing `training` only where its `call` takes it."""
    with exact_moments():
        if model._call_has_training_arg:
            return model(inputs, training=training)
        return model(inputs)


def _is_fast(operation: Any, fast: set[int]) -> bool:
    if not isinstance(operation, keras.layers.Layer):
        return False
    if any(id(v) in fast for v in operation.variables):
        return True
    return any(v.name == "seed_generator_state" for v in operation.variables)


def _split_encoder(encoder: Any, fast: set[int]) -> Split | None:
    """A text encoder: its backbone is a graph, and pooling has no weights."""
    if not isinstance(encoder, TextEncoding):
        return None
    backbone = encoder.backbone
    inner = _split_graph(backbone, fast)
    if inner is None:
        return None

    def shared(inputs: Any, training: bool) -> Any:
        features = inner.shared(
            {name: inputs[name] for name in backbone.input}, training
        )
        return {"backbone": features, "padding_mask": inputs["padding_mask"]}

    def rest(features: Any, training: bool) -> Any:
        outputs = inner.rest(features["backbone"], training)
        return encoder.pool(outputs, features["padding_mask"])

    return inner._replace(shared=shared, rest=rest)


def _split_language_model(model: Any, fast: set[int]) -> Split | None:
    """A causal language model: the tokens are scored after its backbone, a graph."""
    if not isinstance(model, GenerativeBaseLearner):
        return None
    backbone = model.backbone
    inner = _split_graph(backbone, fast)
    if inner is None:
        return None

    def shared(inputs: Any, training: bool) -> Any:
        like = inputs["token_ids"]
        rows = as_rows({name: inputs[name] for name in backbone.input}, like)
        features = as_examples(inner.shared(rows, training), like)
        tokens = {
            name: inputs[name] for name in ("token_ids", "places") if name in inputs
        }
        return {"backbone": features, **tokens}

    def rest(features: Any, training: bool) -> Any:
        like = features["token_ids"]
        hidden = inner.rest(as_rows(features["backbone"], like), training)
        return model.score(as_examples(hidden, like), like, features.get("places"))

    words = [v for layer in model.output_words for v in layer.variables]
    known = {id(v): v for v in [*inner.rest_variables, *words]}
    return inner._replace(shared=shared, rest=rest, rest_variables=list(known.values()))


def _passes_masks(graph: Any) -> bool:
    """Whether masks travel on tensors as attributes, which features would lose."""
    return any(
        isinstance(layer, keras.layers.Masking) or getattr(layer, "mask_zero", False)
        for layer in graph._flatten_layers()
    )


def _split_graph(model: Any, fast: set[int]) -> Split | None:
    """Cuts the graph of a functional model; None where there is nothing to share."""
    graph = getattr(model, "_functional", None) or model
    plain = type(graph).call.__qualname__ == "Functional.call"
    if not plain or _passes_masks(graph):
        return None
    depths = sorted(graph._nodes_by_depth, reverse=True)
    nodes = [node for depth in depths for node in graph._nodes_by_depth[depth]]
    late: set[int] = set()
    shared_nodes, rest_nodes = [], []
    for node in nodes:
        if node.is_input:
            continue
        inputs = node.arguments.keras_tensors
        if _is_fast(node.operation, fast) or any(id(t) in late for t in inputs):
            late.update(id(t) for t in node.outputs)
            rest_nodes.append(node)
        else:
            shared_nodes.append(node)
    if not shared_nodes or not rest_nodes:
        return None
    needed = [t for node in rest_nodes for t in node.arguments.keras_tensors]
    needed += keras.tree.flatten(graph._outputs_struct)
    border = {id(t): t for t in needed if id(t) not in late}
    places = {key: str(index) for index, key in enumerate(border)}

    def shared(inputs: Any, training: bool) -> Any:
        given = keras.tree.flatten(graph._standardize_inputs(inputs))
        known = {id(t): value for t, value in zip(graph.inputs, given, strict=True)}
        _run(shared_nodes, known, training)
        return {places[key]: known[key] for key in border}

    def rest(features: Any, training: bool) -> Any:
        known = {key: features[place] for key, place in places.items()}
        _run(rest_nodes, known, training)
        outputs = keras.tree.map_structure(
            lambda t: known[id(t)], graph._outputs_struct
        )
        single = isinstance(outputs, (list, tuple)) and len(outputs) == 1
        return outputs[0] if single else outputs

    return Split(shared, rest, _variables(rest_nodes))


def _run(nodes: Iterable[Any], known: dict[int, Any], training: bool) -> None:
    """Runs graph nodes in order; `known` maps symbolic tensors' ids to values."""
    for node in nodes:
        arguments, keywords = node.arguments.fill_in(known)
        operation = node.operation
        if getattr(operation, "_call_has_training_arg", False):
            keywords["training"] = training
        outputs = operation(*arguments, **keywords)
        for symbolic, value in zip(
            node.outputs, keras.tree.flatten(outputs), strict=True
        ):
            known[id(symbolic)] = value


def _variables(nodes: Iterable[Any]) -> list[keras.Variable]:
    layers = [n.operation for n in nodes if isinstance(n.operation, keras.layers.Layer)]
    return list({id(v): v for layer in layers for v in layer.variables}.values())
