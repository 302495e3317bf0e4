"""The meta-gradients against each other and against independent computations."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_episodes

from maml_tf.base_learners import create_conv_net
from maml_tf.inner_loop import Adam, GradientDescent, Momentum, PerLayerPerStepRates
from maml_tf.inner_loop.meta_gradients import (
    META_GRADIENTS,
    Exact,
    ExactRecursive,
    Implicit,
    get_meta_gradient,
)
from maml_tf.inner_loop.meta_gradients.implicit import conjugate_gradient
from maml_tf.learners import MAML

pytestmark = pytest.mark.usefixtures("float64")


def make(meta_gradient, steps=4, rule=None, fast="all", **options):
    keras.utils.set_random_seed(0)
    base = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, activation="tanh"),
            keras.layers.Dense(2),
        ]
    )
    learner = MAML(
        base,
        inner_steps=steps,
        inner_learning_rate=0.3,
        update_rule=rule() if rule else None,
        fast_weights=fast,
        meta_gradient=meta_gradient,
        **options,
    )
    learner.compile(keras.optimizers.SGD(1.0))
    return learner


def computation(learner):
    x, y = make_episodes(dtype="float64")
    x, y = tf.nest.map_structure(tf.constant, x), tf.constant(y)

    def compute():
        found = learner.compute_meta_gradients(x, y, None)[2]
        return [tf.convert_to_tensor(g) for g in found]

    return compute


def gradients(learner, jit=False, eager=False):
    compute = computation(learner)
    function = (
        compute if eager else tf.function(compute, jit_compile=jit, autograph=False)
    )
    return [g.numpy() for g in function()]


def has_a_loop(learner):
    graph = (
        tf.function(computation(learner), autograph=False).get_concrete_function().graph
    )
    return any("While" in operation.type for operation in graph.get_operations())


def assert_equal(mine, theirs):
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8 * np.abs(b).max())


RULES = {
    "descent": None,
    "momentum": lambda: Momentum(0.2, 0.7),
    "adam": lambda: Adam(0.1, epsilon=1e-2),
    "rates": lambda: PerLayerPerStepRates(0.2, steps=3),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("fast", ["all", "head"])
def test_the_exact_ones_agree(rule, fast):
    options = {"rule": RULES[rule], "fast": fast}
    reference = gradients(make("exact_unrolled", **options))
    assert_equal(gradients(make("exact_recursive", **options)), reference)
    checkpointed = make(ExactRecursive(checkpoint=True), **options)
    assert_equal(gradients(checkpointed), reference)


def test_exact_unrolls_a_few_steps_and_loops_over_more():
    learners = {k: make("exact", steps=k) for k in (5, 6)}
    for steps, learner in learners.items():
        reference = make("exact_unrolled", steps=steps)
        assert_equal(gradients(learner), gradients(reference))
    assert [has_a_loop(learner) for learner in learners.values()] == [False, True]


def test_exact_loops_over_few_steps_of_many_weights_but_never_over_one():
    # The base learner has four tensors: 4, 8 and 12 of them in all steps.
    ways = [has_a_loop(make(Exact(unrolled_tensors=10), steps=k)) for k in (1, 2, 3)]
    assert ways == [False, False, True]
    assert not has_a_loop(make(Exact(unrolled_tensors=1), steps=1))


@pytest.mark.parametrize(
    "meta_gradient", ["exact_recursive", "first_order", "implicit"]
)
def test_eager_graph_and_xla_agree(meta_gradient):
    learner = make(meta_gradient, steps=2)
    graph = gradients(learner)
    assert_equal(gradients(learner, jit=True), graph)
    assert_equal(gradients(learner, eager=True), graph)


def test_first_order_is_the_exact_one_with_constant_inner_gradients():
    learner = make("first_order", rule=lambda: GradientDescent(0.3, learned=True))
    assert any(np.abs(g).max() > 0 for g in gradients(learner)[4:])
    exact = gradients(make("exact", rule=lambda: GradientDescent(0.3, learned=True)))
    assert any(
        not np.allclose(a, b) for a, b in zip(gradients(learner), exact, strict=True)
    )


def test_the_implicit_one_is_exact_on_a_quadratic():
    # One weight w, inner loss (w a - b)^2 plus half of p (w - w0)^2: the minimum is
    # w* = (2 a b + p w0) / (2 a^2 + p), so dw*/dw0 = p / (2 a^2 + p).
    base = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    base.set_weights([np.array([[0.7]])])
    a, b, c, d, p = 1.5, 0.4, -2.0, 1.1, 0.8

    def loss(targets, predictions):
        return tf.reduce_mean(tf.square(targets - predictions), axis=-1)

    learner = MAML(
        base,
        inner_steps=200,
        inner_learning_rate=0.1,
        inner_loss=loss,
        meta_gradient=Implicit(proximal=p, conjugate_gradient_steps=3),
    )
    learner.compile(keras.optimizers.SGD(1.0), loss=loss)
    x = {
        "support_inputs": tf.constant([[[a]]], tf.float64),
        "support_targets": tf.constant([[[b]]], tf.float64),
        "query_inputs": tf.constant([[[c]]], tf.float64),
    }
    y = tf.constant([[[d]]], tf.float64)
    (found,) = learner.compute_meta_gradients(x, y, None)[2]
    best = (2 * a * b + p * 0.7) / (2 * a**2 + p)
    expected = 2 * c * (best * c - d) * p / (2 * a**2 + p)
    assert found.numpy()[0, 0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("meta_gradient", [*META_GRADIENTS, Implicit(proximal=3.0)])
def test_the_steps_are_the_same_where_no_gradient_is_wanted(meta_gradient):
    learner = make(meta_gradient)
    x, _ = make_episodes(dtype="float64")
    support = x["support_inputs"], x["support_targets"]
    wanted = learner.adapt(*support, differentiable=True)
    assert_equal(
        learner.adapt(*support, differentiable=False).values(), wanted.values()
    )


def test_conjugate_gradient_solves_each_task_and_stops_when_it_has():
    rng = np.random.default_rng(0)
    roots = rng.normal(size=(3, 4, 4))
    matrices = roots @ roots.transpose(0, 2, 1) + 0.5 * np.eye(4)
    right = rng.normal(size=(3, 4))
    right[1] = 0
    found = conjugate_gradient(
        lambda vectors: [tf.einsum("tij,tj->ti", matrices, vectors[0])],
        [tf.constant(right)],
        9,
    )[0]
    expected = np.linalg.solve(matrices, right[..., None])[..., 0]
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


def test_unknown_names_and_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="exact_recursive"):
        get_meta_gradient("exactly")
    with pytest.raises(ValueError, match="proximal"):
        Implicit(proximal=0)
    with pytest.raises(ValueError, match="damping"):
        Implicit(damping=-1)
    with pytest.raises(ValueError, match="not both"):
        make("implicit", first_order=True)


def test_an_object_survives_the_configuration():
    learner = make(ExactRecursive(checkpoint=True))
    clone = MAML.from_config(learner.get_config())
    assert repr(clone.inner_loop.meta_gradient) == "ExactRecursive(checkpoint=True)"


def test_a_conv_net_is_differentiated_by_recursion_under_xla_too():
    def found(meta_gradient, jit):
        keras.utils.set_random_seed(0)
        base = create_conv_net(2, image_shape=(4, 4, 1), filters=2, blocks=2)
        learner = MAML(base, inner_steps=1, meta_gradient=meta_gradient)
        learner.compile(keras.optimizers.SGD(1.0))
        draw = np.random.default_rng(0).normal
        x = {
            "support_inputs": tf.constant(draw(size=(3, 4, 4, 4, 1))),
            "support_targets": tf.constant([[0, 1, 0, 1]] * 3),
            "query_inputs": tf.constant(draw(size=(3, 2, 4, 4, 1))),
        }
        y = tf.constant([[0, 1]] * 3)
        learner.build_from_episode(x)
        function = tf.function(
            lambda: learner.compute_meta_gradients(x, y, None)[2],
            jit_compile=jit,
            autograph=False,
        )
        # Together: a bias before a normalisation has a gradient of zero but for noise.
        return np.concatenate([g.numpy().ravel() for g in function()])

    reference = found("exact_unrolled", jit=False)
    assert np.abs(reference).max() > 1e-3
    assert_equal([found("exact_recursive", jit=True)], [reference])
