"""A learner's answers to episodes as one graph, kept as long as the learner lives."""

import json
import weakref
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from maml_tf.learners import MetaLearner

Answer = Callable[[dict[str, Any]], Any]
# By the learner; by all that is read when a graph is traced.
_graphs: weakref.WeakKeyDictionary[MetaLearner, dict[str, Answer]] = (
    weakref.WeakKeyDictionary()
)
_over_features: weakref.WeakKeyDictionary[MetaLearner, dict[str, MetaLearner]] = (
    weakref.WeakKeyDictionary()
)


def answering(learner: MetaLearner, adapt_options: dict[str, Any]) -> Answer:
    """The function from an episode to the predictions, traced once for its shapes.

    Under a strategy of several devices these share the tasks of a batch, where they can
    do so evenly. Judging a learner again, after more training or on other episodes,
    traces nothing anew; a learner whose configuration or trainable weights are others
    does.

    Args:
        learner: a built learner.
        adapt_options: what `adapt` is told besides, such as MAML's `steps`.

    Example:

    >>> network = MetaLearner(keras.Sequential([keras.Input((2,))]))
    >>> answering(network, {}) is answering(network, {})
    True
    """
    kept = _graphs.setdefault(learner, {})
    traced = _as_traced(learner, adapt_options)
    if traced not in kept:
        # The graph must not hold the learner that it is kept for.
        reference = weakref.ref(learner)

        @tf.function(autograph=False, reduce_retracing=True)
        def answer(x: dict[str, Any]) -> Any:
            learner = reference()
            assert learner is not None
            if not adapt_options:
                return learner(x, training=False)
            support = x["support_inputs"], x["support_targets"]
            fast_weights = learner.adapt(*support, **adapt_options)
            return learner.predict_adapted(fast_weights, x["query_inputs"])

        kept[traced] = _shared(answer, learner.distribute_strategy)
    return kept[traced]


def _shared(answer: Answer, strategy: tf.distribute.Strategy) -> Answer:
    """The same function, the tasks of a batch shared among the strategy's devices."""
    devices = strategy.num_replicas_in_sync
    if devices == 1:
        return answer

    def shared(x: dict[str, Any]) -> Any:
        tasks = len(tf.nest.flatten(x)[0])
        if tasks % devices:
            return answer(x)
        share = tasks // devices

        def of_device(context: Any) -> Any:
            first = context.replica_id_in_sync_group * share
            return tf.nest.map_structure(lambda t: t[first : first + share], x)

        shares = strategy.experimental_distribute_values_from_function(of_device)
        return strategy.gather(strategy.run(answer, args=(shares,)), axis=0)

    return shared


def over_features(learner: MetaLearner) -> tuple[keras.Model, MetaLearner] | None:
    """As the learner's own, with the same learner over features at every call.

    Its weights are set to what the learner's are now.
    """
    if (parts := learner.over_features()) is None:
        return None
    encoder, made = parts
    kept = _over_features.setdefault(learner, {})
    same = kept.setdefault(_as_traced(learner, {}), made)
    if same is not made:
        same.set_weights(made.get_weights())
    return encoder, same


def _as_traced(learner: MetaLearner, adapt_options: dict[str, Any]) -> str:
    """All that a graph of the learner depends on but its weights' values."""
    trainable = [v.trainable for v in learner.variables]
    held = [learner.get_config(), trainable, learner.dtype_policy.name, adapt_options]
    return json.dumps(held, default=repr, sort_keys=True)
