"""What each gradient-based learner adds to MAML."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_episodes

from maml_tf.base_learners import BaseLearnerError
from maml_tf.inner_loop import GradientDescent, Momentum
from maml_tf.inner_loop.meta_gradients import ExactRecursive
from maml_tf.inner_loop.problem import batch_rows
from maml_tf.learners import (
    MAML,
    MAMLPlusPlus,
    ProtoMAML,
    PrototypicalNetwork,
    Reptile,
    TaskSimilarityMAML,
)


def network(outputs=2):
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, activation="tanh", name="body"),
            keras.layers.Dense(outputs, name="head"),
        ]
    )


def check_finite_differences(learner, x, y):
    """Four entries of each variable's meta-gradient, in float64."""
    learner.compile(keras.optimizers.SGD(1.0))
    exact = learner.compute_meta_gradients(x, y, None)[2]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    h = 1e-6
    seen = 0
    for variable, gradient in zip(learner.trainable_variables, exact, strict=True):
        start, gradient = variable.numpy(), tf.convert_to_tensor(gradient).numpy()
        for place in list(np.ndindex(start.shape))[:4]:
            ends = []
            for sign in (1, -1):
                moved = start.copy()
                moved[place] += sign * h
                variable.assign(moved)
                ends.append(float(loss(y, learner(x))))
            variable.assign(start)
            difference = (ends[0] - ends[1]) / (2 * h)
            assert gradient[place] == pytest.approx(difference, rel=1e-4, abs=1e-8)
            seen += abs(difference) > 1e-6
    assert seen >= 7


def test_proto_maml_gradients_flow_through_the_prototypes(float64):
    learner = ProtoMAML(network(), inner_steps=2, inner_learning_rate=0.1)
    check_finite_differences(learner, *make_episodes(dtype="float64"))


def test_task_similarity_gradients(float64):
    learner = TaskSimilarityMAML(
        network(), keys=2, embedding_dim=3, units=4, inner_learning_rate=0.1
    )
    learner._options["inner_steps"] = 2
    check_finite_differences(learner, *make_episodes(dtype="float64"))


def test_proto_maml_without_steps_is_a_prototypical_network():
    base = network(5)
    body = keras.Sequential([keras.Input((4,)), base.layers[0]])
    prototypes = PrototypicalNetwork(body)
    for ways in (2, 4):
        x, _ = make_episodes(ways=ways)
        logits = ProtoMAML(base, inner_steps=0)(x).numpy()
        assert (logits[..., ways:] < -1e8).all()
        np.testing.assert_allclose(
            tf.nn.softmax(logits[..., :ways]),
            tf.nn.softmax(prototypes(x)),
            rtol=1e-4,
            atol=1e-5,
        )


def test_proto_maml_needs_a_fast_dense_head():
    with pytest.raises(BaseLearnerError, match="among the fast"):
        ProtoMAML(network(), fast_weights=lambda path: "body" in path)


def test_step_weights_move_to_the_last_step():
    learner = MAMLPlusPlus(network(), inner_steps=4, multi_step_annealing=2)
    learner.compile()
    np.testing.assert_allclose(learner.step_weights(), [0.25] * 4)
    learner.optimizer.iterations.assign(1)
    np.testing.assert_allclose(learner.step_weights(), [0.125] * 3 + [0.625])
    learner.optimizer.iterations.assign(9)
    np.testing.assert_allclose(learner.step_weights(), [0, 0, 0, 1])


def gradients_of(learner, x, y, iteration=0):
    learner.compile(keras.optimizers.SGD(0.1))
    learner.optimizer.iterations.assign(iteration)
    return [g.numpy() for g in map(tf.convert_to_tensor, gradients(learner, x, y))]


def gradients(learner, x, y):
    return learner.compute_meta_gradients(x, y, None)[2]


def test_all_switches_off_is_maml():
    x, y = make_episodes()
    base = network()
    off = {"multi_step_loss": False, "per_layer_per_step_rates": False}
    options = {"inner_steps": 2, "inner_learning_rate": 0.1}
    plain = gradients_of(MAML(base, **options), x, y)
    ours = gradients_of(MAMLPlusPlus(base, **options, **off), x, y)
    for mine, theirs in zip(ours, plain, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-7)


def test_derivative_order_annealing_switches_at_its_step():
    x, y = make_episodes()
    base = network()
    options = {"inner_steps": 2, "inner_learning_rate": 0.3}
    off = {"multi_step_loss": False, "per_layer_per_step_rates": False}
    learner = MAMLPlusPlus(base, **options, **off, first_order_steps=5)
    for iteration, first_order in ((4, True), (5, False)):
        expected = gradients_of(MAML(base, first_order=first_order, **options), x, y)
        for mine, theirs in zip(
            gradients_of(learner, x, y, iteration), expected, strict=True
        ):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("rule", [GradientDescent(0.3), Momentum(0.3)])
@pytest.mark.parametrize(
    "meta_gradient",
    [
        "exact_unrolled",
        "exact_recursive",
        ExactRecursive(checkpoint=True),
        "first_order",
    ],
    ids=str,
)
def test_multi_step_gradient_is_the_mean_over_steps(float64, meta_gradient, rule):
    x, y = make_episodes(dtype="float64")
    base = network()
    options = {"update_rule": rule, "meta_gradient": meta_gradient}
    ours = MAMLPlusPlus(base, inner_steps=4, multi_step_annealing=None, **options)
    each = [
        gradients_of(MAML(base, inner_steps=k, **options), x, y) for k in (1, 2, 3, 4)
    ]
    for mine, *theirs in zip(gradients_of(ours, x, y), *each, strict=True):
        np.testing.assert_allclose(mine, sum(theirs) / 4, rtol=1e-10, atol=1e-12)


def test_every_step_gives_what_so_many_steps_give():
    x, _ = make_episodes()
    learner = MAML(network(), inner_steps=3, inner_learning_rate=0.3)
    support = x["support_inputs"], x["support_targets"]
    each = learner.adapt(*support, every_step=True)
    for step in range(3):
        for key, tensor in learner.adapt(*support, steps=step + 1).items():
            np.testing.assert_allclose(each[key][:, step], tensor, rtol=1e-5)


def test_the_implicit_meta_gradient_has_no_steps_before_the_last():
    learner = MAMLPlusPlus(network(), inner_steps=2, meta_gradient="implicit")
    learner.compile()
    with pytest.raises(ValueError, match="multi_step_loss=False"):
        learner.train_on_batch(*make_episodes())


def test_reptiles_inner_batches_are_the_steps_of_a_loop_over_them(float64):
    x, _ = make_episodes(dtype="float64")
    support, targets = x["support_inputs"][:1], x["support_targets"][:1]
    base = network()
    options = {"update_rule": GradientDescent(0.3)}
    learner = Reptile(base, inner_steps=4, inner_batch_size=2, **options)
    fast = list(learner.adapt(support, targets).values())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    examples = support.shape[1]
    assert examples == 6
    for rows in ([0, 3], [1, 4], [2, 5], [0, 3]):
        with tf.GradientTape() as tape:
            predictions = base(tf.gather(support[0], rows))
            value = loss(tf.gather(targets[0], rows), predictions)
        variables = base.trainable_variables
        for v, g in zip(variables, tape.gradient(value, variables), strict=True):
            v.assign(v - 0.3 * g)
    for mine, variable in zip(fast, base.trainable_variables, strict=True):
        np.testing.assert_allclose(mine[0], variable, rtol=1e-12)


@pytest.mark.parametrize(("examples", "size"), [(7, 3), (5, 5), (5, 9), (9, 2)])
def test_inner_batches_see_every_example_and_none_twice_a_step(examples, size):
    batches = -(-examples // size)
    rows = [batch_rows(examples, size, step).numpy() for step in range(batches)]
    assert all(len(set(step)) == min(size, examples) for step in rows)
    assert set(np.concatenate(rows)) == set(range(examples))


def test_inner_batch_size_is_checked_and_saved(tmp_path):
    with pytest.raises(ValueError, match="inner_batch_size must be"):
        Reptile(network(), inner_batch_size=0)
    x, _ = make_episodes()
    learner = Reptile(
        network(), inner_steps=2, inner_batch_size=2, inner_learning_rate=0.1
    )
    learner.save(tmp_path / "reptile.keras")
    loaded = keras.models.load_model(tmp_path / "reptile.keras")
    np.testing.assert_allclose(loaded(x), learner(x), rtol=1e-6)
    assert loaded.inner_loop.batch_size == 2


def test_reptile_has_adam_without_momentum_and_a_linear_outer_step():
    learner = Reptile(network(), inner_steps=1)
    assert learner.inner_loop.rule.beta_1 == 0
    optimizer = Reptile.annealed_optimizer(1.0, meta_steps=4)
    rates = [float(optimizer._learning_rate(step)) for step in (0, 1, 4)]
    np.testing.assert_allclose(rates, [1.0, 0.75, 0.0])


def test_similarities_sum_to_one_and_ignore_order_and_labels():
    learner = TaskSimilarityMAML(network(), keys=3, inner_steps=1)
    x, _ = make_episodes()
    shares = learner.similarities(x["support_inputs"], x["support_targets"])
    np.testing.assert_allclose(tf.reduce_sum(shares, axis=1), np.ones(3), rtol=1e-5)
    swapped = learner.similarities(
        x["support_inputs"][:, ::-1], 1 - x["support_targets"][:, ::-1]
    )
    np.testing.assert_allclose(swapped, shares, rtol=1e-4)


def test_regression_tasks_of_different_kinds_get_different_starts():
    base = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    learner = TaskSimilarityMAML(
        base, regression=True, inner_steps=0, inner_loss="mean_squared_error"
    )
    inputs = tf.reshape(tf.linspace(-1.0, 1.0, 12), (2, 6, 1))
    fast = learner.adapt(inputs, tf.stack([inputs[0], 5 - inputs[1]]))
    kernel = fast[min(fast)]
    assert not np.allclose(kernel[0], kernel[1])


def test_a_symmetric_head_does_not_care_which_class_has_which_number():
    x, _ = make_episodes(ways=3)
    keras.utils.set_random_seed(0)
    renumbered = {**x, "support_targets": (x["support_targets"] + 1) % 3}
    for symmetric in (True, False):
        learner = MAML(
            network(3),
            inner_steps=2,
            inner_learning_rate=0.5,
            symmetric_head=symmetric,
        )
        logits, moved = learner(x).numpy(), learner(renumbered).numpy()
        alike = np.allclose(np.roll(logits, 1, axis=-1), moved, rtol=1e-4, atol=1e-5)
        assert alike is symmetric


def test_a_symmetric_head_has_to_be_fast():
    with pytest.raises(ValueError, match="head among the fast weights"):
        MAML(network(), fast_weights=lambda path: "body" in path, symmetric_head=True)
    with pytest.raises(ValueError, match="start of its own"):
        TaskSimilarityMAML(network(), symmetric_head=True)


class Subclassed(keras.Model):
    """No graph to cut, and vectors as wide as the inputs."""

    def __init__(self):
        super().__init__()
        self.body = keras.layers.Dense(4, activation="tanh")
        self.head = keras.layers.Dense(3)

    def call(self, inputs):
        return self.head(self.body(inputs))


def test_prototypes_are_of_what_the_head_is_given_in_any_model():
    x, _ = make_episodes(ways=3)
    base = Subclassed()
    learner = ProtoMAML(base, inner_steps=0)
    learner.build_from_episode(x)
    prototypes = PrototypicalNetwork(base.body)(x)
    np.testing.assert_allclose(
        tf.nn.softmax(learner(x)), tf.nn.softmax(prototypes), rtol=1e-4, atol=1e-5
    )
