"""The checks that every registered learner passes, and a few ways to configure one.

What is the same for all, in `MetaLearner`, is tested once, elsewhere.
"""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_episodes

from maml_tf.inner_loop import LearnedOptimizer
from maml_tf.learners.registry import get_learner, registered_learners

# Where the small inner loop that all get would not learn.
OPTIONS = {
    "reptile": {"inner_learning_rate": 0.02},
    "proto_maml": {"inner_learning_rate": 0.1},
    "learned_optimizer": {"update_rule": LearnedOptimizer(4, learning_rate=0.2)},
    "task_similarity_maml": {"keys": 2, "units": 4},
    "matching": {"scale": 3.0},
}
VARIANTS = {
    "clipped_maml": ("maml", {"inner_gradient_clip": 0.5}),
    "reptile_in_batches": (
        "reptile",
        {"inner_learning_rate": 0.05, "inner_batch_size": 3, "inner_steps": 3},
    ),
    "cosine_prototypical": ("prototypical", {"distance": "cosine", "scale": 5.0}),
}
LEARNERS = (*registered_learners(), *VARIANTS)
# One of each kind of training step. All adapt eagerly below, which is most of a step.
TRAINED_EAGERLY = ("maml", "implicit_maml", "proto_maml", "reptile", "prototypical")


def network(outputs):
    layers = [keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(outputs)]
    return keras.Sequential([keras.Input((4,)), *layers])


def make_learner(name):
    registered, options = VARIANTS.get(name, (name, {}))
    entry = get_learner(registered)
    options = {**OPTIONS.get(registered, {}), **options}
    if "update_rule" in options:
        options["update_rule"] = LearnedOptimizer.from_config(
            options["update_rule"].get_config()
        )
    if not entry.inner_loop:
        return entry.load()(network(6), max_ways=2, **options)
    options = {"inner_steps": 2, "inner_learning_rate": 0.2, **options}
    return entry.load()(network(2), **{**entry_options(entry), **options})


def entry_options(entry):
    return {k: v for k, v in entry.options.items() if k != "update_rule"}


@pytest.fixture(params=LEARNERS)
def name(request):
    return request.param


def train_once(name, **compile_arguments):
    keras.utils.set_random_seed(1)
    learner = make_learner(name)
    learner.compile(keras.optimizers.SGD(0.1), **compile_arguments)
    logs = learner.train_on_batch(*make_episodes(), return_dict=True)
    return logs["loss"], [v.numpy() for v in learner.trainable_variables], learner


@functools.lru_cache(maxsize=1)
def trained_in_a_graph(name):
    return train_once(name, jit_compile=False)


def test_eager_graph_and_xla_agree(name):
    loss, weights, learner = trained_in_a_graph(name)
    assert learner.jit_compile is False
    ways = [{"jit_compile": True}]
    if name in TRAINED_EAGERLY:
        ways.append({"run_eagerly": True})
    for arguments in ways:
        other_loss, other_weights, learner = train_once(name, **arguments)
        assert learner.jit_compile is arguments.get("jit_compile", False)
        assert other_loss == pytest.approx(loss, rel=1e-5)
        for mine, theirs in zip(weights, other_weights, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


def test_saving_keeps_predictions_and_training(name, episodes, tmp_path):
    _, _, learner = trained_in_a_graph(name)
    trained_in_a_graph.cache_clear()  # it is trained on below
    x, _ = episodes
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    np.testing.assert_allclose(learner(x), loaded(x), rtol=1e-6)
    # Resuming from the file and going on gives the same as never having stopped.
    for step in range(3):
        x, y = make_episodes(seed=step)
        learner.train_on_batch(x, y)
        loaded.train_on_batch(x, y)
    for mine, theirs in zip(
        learner.trainable_variables, loaded.trainable_variables, strict=True
    ):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-6)


def test_fit_reduces_the_loss(name):
    learner = make_learner(name)
    learner.compile(keras.optimizers.Adam(0.02))
    batches = [make_episodes(seed=seed) for seed in range(8)]
    dataset = tf.data.Dataset.from_tensor_slices(
        tf.nest.map_structure(lambda *arrays: np.stack(arrays), *batches)
    )
    before = learner.evaluate(dataset, verbose=0, return_dict=True)
    learner.fit(dataset, epochs=12, verbose=0)
    after = learner.evaluate(dataset, verbose=0, return_dict=True)
    assert after["loss"] < 0.9 * before["loss"]
    assert 0 <= after["accuracy"] <= 1


def test_one_broken_task_leaves_the_mean_over_the_others(name):
    keras.utils.set_random_seed(2)
    learner = make_learner(name)
    learner.compile(keras.optimizers.SGD(0.1))
    x, y = make_episodes(tasks=4)
    learner.build_from_episode(x)

    @tf.function(autograph=False)
    def step(x, y, weight):
        loss, _, gradients = learner.compute_meta_gradients(x, y, weight)
        return loss, [tf.convert_to_tensor(g) for g in gradients if g is not None]

    def run(x, y, weight=1.0):
        learner.dropped_tasks.reset_state()
        weights = np.full(y.shape, weight, "float32")
        loss, gradients = step(*tf.nest.map_structure(tf.constant, (x, y, weights)))
        dropped = float(learner.dropped_tasks.result())
        return dropped, [loss.numpy(), *(g.numpy() for g in gradients)]

    spoilt = {key: value.copy() for key, value in x.items()}
    spoilt["support_inputs"][3, 0] = np.inf
    last = [3, 3, 3, 3]
    none, all_four = run(x, y)
    one, three = run(spoilt, y)
    _, fourth = run({key: value[last] for key, value in x.items()}, y[last])
    _, doubled = run(x, y, 2.0)
    assert (none, one) == (0, 1)
    for whole, kept, left in zip(all_four, three, fourth, strict=True):
        np.testing.assert_allclose(4 * whole, 3 * kept + left, rtol=1e-3, atol=1e-5)
    assert doubled[0] == pytest.approx(2 * all_four[0], rel=1e-5)
    if "reptile" not in name:  # its gradient is no derivative of that loss
        for once, twice in zip(all_four, doubled, strict=True):
            np.testing.assert_allclose(twice, 2 * once, rtol=1e-4, atol=1e-6)


def test_adapting_assigns_nothing(name, episodes):
    learner, (x, _) = make_learner(name), episodes
    before = [v.numpy() for v in learner.variables]
    fast = learner.adapt(x["support_inputs"], x["support_targets"])
    held = {key: value.numpy() for key, value in fast.items()}
    again = learner.predict_adapted(held, x["query_inputs"])
    together = learner(x).numpy()
    np.testing.assert_allclose(again, together, rtol=1e-5, atol=1e-6)
    for old, variable in zip(before, learner.variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy())
    # Nor do tasks see each other.
    alone = learner({key: value[1:2] for key, value in x.items()})
    np.testing.assert_allclose(together[1], alone[0], rtol=1e-4, atol=1e-5)


def test_config_round_trip(name):
    learner = make_learner(name)
    clone = type(learner).from_config(learner.get_config())
    assert clone.get_config() == learner.get_config()


def test_mixed_precision_is_finite(name, episodes):
    # Losses are scaled for float16 in the step that is the same for all.
    policy = "mixed_float16" if name in ("maml", "reptile") else "mixed_bfloat16"
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        learner = make_learner(name)
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
