"""The checks that every learner passes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_episodes

from maml_tf.inner_loop import LearnedOptimizer
from maml_tf.learners import (
    MAML,
    ImplicitMAML,
    MAMLPlusPlus,
    MatchingNetwork,
    MetaSGD,
    ProtoMAML,
    PrototypicalNetwork,
    Reptile,
    TaskSimilarityMAML,
)
from maml_tf.learners.episode_checks import EpisodeError


def network(outputs, activation="tanh"):
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, activation=activation),
            keras.layers.Dense(outputs),
        ]
    )


LEARNERS = {
    "maml": lambda: MAML(network(2), inner_steps=3, inner_learning_rate=0.2),
    "first_order_maml": lambda: MAML(
        network(2), inner_steps=3, inner_learning_rate=0.2, first_order=True
    ),
    "anil": lambda: MAML(
        network(2), inner_steps=3, inner_learning_rate=0.2, fast_weights="head"
    ),
    "clipped_maml": lambda: MAML(
        network(2), inner_steps=2, inner_learning_rate=0.2, inner_gradient_clip=0.5
    ),
    "reptile": lambda: Reptile(network(2), inner_steps=3, inner_learning_rate=0.02),
    "reptile_in_batches": lambda: Reptile(
        network(2), inner_steps=3, inner_learning_rate=0.05, inner_batch_size=3
    ),
    "meta_sgd": lambda: MetaSGD(network(2), inner_steps=2, inner_learning_rate=0.2),
    "maml_plus_plus": lambda: MAMLPlusPlus(
        network(2), inner_steps=2, inner_learning_rate=0.2
    ),
    "implicit_maml": lambda: ImplicitMAML(
        network(2), inner_steps=3, inner_learning_rate=0.2
    ),
    "proto_maml": lambda: ProtoMAML(network(2), inner_steps=2, inner_learning_rate=0.1),
    "learned_optimizer": lambda: MAML(
        network(2), inner_steps=2, update_rule=LearnedOptimizer(4, learning_rate=0.2)
    ),
    "task_similarity_maml": lambda: TaskSimilarityMAML(
        network(2), keys=2, units=4, inner_steps=2, inner_learning_rate=0.2
    ),
    "matching": lambda: MatchingNetwork(network(6), max_ways=2, scale=3.0),
    "prototypical": lambda: PrototypicalNetwork(network(6), max_ways=2),
    "cosine_prototypical": lambda: PrototypicalNetwork(
        network(6), distance="cosine", scale=5.0, max_ways=2
    ),
}


@pytest.fixture(params=LEARNERS)
def make(request):
    return LEARNERS[request.param]


def train_once(make, **compile_arguments):
    keras.utils.set_random_seed(1)
    learner = make()
    learner.compile(keras.optimizers.SGD(0.1), **compile_arguments)
    x, y = make_episodes()
    logs = learner.train_on_batch(x, y, return_dict=True)
    return logs["loss"], [v.numpy() for v in learner.trainable_variables], learner


def test_eager_graph_and_xla_agree(make):
    loss, weights, _ = train_once(make, run_eagerly=True)
    for arguments in ({"jit_compile": False}, {"jit_compile": True}):
        other_loss, other_weights, learner = train_once(make, **arguments)
        assert learner.jit_compile is arguments["jit_compile"]
        assert other_loss == pytest.approx(loss, rel=1e-5)
        for mine, theirs in zip(weights, other_weights, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


def test_fit_reduces_the_loss(make):
    learner = make()
    learner.compile(keras.optimizers.Adam(0.02))
    batches = [make_episodes(seed=seed) for seed in range(8)]
    dataset = tf.data.Dataset.from_generator(
        lambda: iter(batches),
        output_signature=tf.nest.map_structure(
            lambda a: tf.TensorSpec(a.shape, a.dtype), batches[0]
        ),
    )
    before = learner.evaluate(dataset, verbose=0, return_dict=True)
    learner.fit(dataset, epochs=12, verbose=0)
    after = learner.evaluate(dataset, verbose=0, return_dict=True)
    assert after["loss"] < 0.9 * before["loss"]
    assert 0 <= after["accuracy"] <= 1


def test_adapting_assigns_nothing(make, episodes):
    learner, (x, _) = make(), episodes
    before = [v.numpy() for v in learner.variables]
    fast = learner.adapt(x["support_inputs"], x["support_targets"])
    held = {key: value.numpy() for key, value in fast.items()}
    again = learner.predict_adapted(held, x["query_inputs"])
    np.testing.assert_allclose(again, learner(x), rtol=1e-5, atol=1e-6)
    for old, variable in zip(before, learner.variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy())


def test_tasks_do_not_see_each_other(make, episodes):
    learner, (x, _) = make(), episodes
    together = learner(x).numpy()
    for task in range(len(together)):
        alone = learner({key: value[task : task + 1] for key, value in x.items()})
        np.testing.assert_allclose(together[task], alone[0], rtol=1e-4, atol=1e-5)


def test_saving_keeps_predictions_and_training(make, episodes, tmp_path):
    _, _, learner = train_once(make)
    x, y = episodes
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    np.testing.assert_allclose(
        learner.predict(x, verbose=0), loaded.predict(x, verbose=0), rtol=1e-6
    )
    # Resuming from the file and going on gives the same as never having stopped.
    for step in range(3):
        x, y = make_episodes(seed=step)
        learner.train_on_batch(x, y)
        loaded.train_on_batch(x, y)
    for mine, theirs in zip(
        learner.trainable_variables, loaded.trainable_variables, strict=True
    ):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-6)


def test_config_round_trip(make):
    learner = make()
    clone = type(learner).from_config(learner.get_config())
    assert clone.get_config() == learner.get_config()


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_finite(make, episodes, policy):
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        learner = make()
        learner.compile(keras.optimizers.Adam(0.01))
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    scaled = isinstance(learner.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled is (policy == "mixed_float16")
    for _ in range(3):
        loss = learner.train_on_batch(*episodes, return_dict=True)["loss"]
        assert np.isfinite(loss)
    # Weights of half the digits would swallow small inner updates.
    fast = learner.adapt(*(episodes[0][f"support_{k}"] for k in ("inputs", "targets")))
    assert {v.dtype for v in tf.nest.flatten(fast)} <= {tf.float32, tf.bool}
    assert all(np.isfinite(v.numpy()).all() for v in learner.trainable_variables)


def test_works_with_nothing_else_given(make, episodes):
    assert np.isfinite(make().train_on_batch(*episodes, return_dict=True)["loss"])


def test_class_weight_reaches_every_query(make, episodes):
    x, y = episodes
    plain, none = (
        make().train_on_batch(x, y, class_weight=w, return_dict=True)["loss"]
        for w in ({0: 1.0, 1: 1.0}, {0: 0.0, 1: 0.0})
    )
    assert plain > 0
    assert none == 0


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda x, y: x.pop("query_inputs"), "query_inputs"),
        (lambda x, y: x["support_inputs"].__setitem__((0, 0, 0), np.nan), "NaN"),
        (lambda x, y: x["support_targets"].__setitem__(0, 1), "one class only"),
        (lambda x, y: y.__setitem__((0, 0), 7), "from 0 to 1"),
        (lambda x, y: x.update(query_inputs=x["query_inputs"][:2]), "task axis"),
        (lambda x, y: x.update(support_targets=x["support_targets"][:, :2]), "number"),
    ],
)
def test_bad_episodes_are_refused(make, spoil, message):
    x, y = make_episodes()
    spoil(x, y)
    with pytest.raises(EpisodeError, match=message):
        make().train_on_batch(x, y)
