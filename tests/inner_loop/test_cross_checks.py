"""The exact meta-gradients against PyTorch and finite differences, in float64."""

import functools
import itertools
import os

import keras
import keras_nlp
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_episodes

from maml_tf.base_learners.position_embedding import (
    make_position_embeddings_differentiable,
)
from maml_tf.inner_loop import GradientDescent, MetaSGDRule
from maml_tf.learners import MAML

TOLERANCE = 1e-8
EXACT = ["exact_unrolled", "exact_recursive"]
EXAMPLES, LENGTH, VOCABULARY = 3, 5, 11
# Tracing a transformer's second derivatives takes half a minute, so a run of the suite
# takes two of the pairings, of one layer; MAML_TF_EVERY_PAIRING=1 all, of two.
EVERY = bool(os.environ.get("MAML_TF_EVERY_PAIRING"))
LAYERS = 2 if EVERY else 1


pytestmark = pytest.mark.usefixtures("float64")


def draw(learner, seed, scale):
    """Random values in the shapes of all that is meta-learned."""
    rng = np.random.default_rng(seed)
    return [scale * rng.normal(size=v.shape) for v in learner.trainable_variables]


def assign(learner, values):
    for variable, value in zip(learner.trainable_variables, values, strict=True):
        variable.assign(value)


def meta_gradients(learner, x, y, mode="graph"):
    def compute():
        found = learner.compute_meta_gradients(x, y, None)[2]
        return [tf.convert_to_tensor(g) for g in found]

    if mode != "eager":
        compute = tf.function(compute, jit_compile=mode == "xla", autograph=False)
    return [g.numpy() for g in compute()]


# A perceptron whose body is fast and whose top is shared, against PyTorch.


def make_perceptron(steps, meta_gradient):
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Dense(3, activation="tanh", name="body"),
        keras.layers.Dense(2, name="top"),
    ]
    learner = MAML(
        keras.Sequential([keras.Input((4,)), *layers]),
        inner_steps=steps,
        fast_weights=lambda path: "body" in path,
        update_rule=MetaSGDRule(0.2),
        meta_gradient=meta_gradient,
    )
    learner.compile(keras.optimizers.SGD(1.0))
    # Rates that are all equal would hide a transposed or a shifted one.
    values = draw(learner, seed=1, scale=0.5)
    assign(learner, values)
    return learner


def torch_meta_gradients(torch, values, x, y, steps):
    """By hand: values are two rates, body kernel and bias, top kernel and bias."""
    leaves = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in values]
    rates, body, top = leaves[:2], leaves[2:4], leaves[4:]
    cross_entropy = torch.nn.functional.cross_entropy

    def predict(body, inputs):
        hidden = torch.tanh(torch.tensor(inputs) @ body[0] + body[1])
        return hidden @ top[0] + top[1]

    total = torch.zeros((), dtype=torch.float64)
    for task in range(len(y)):
        fast = body
        labels = torch.tensor(x["support_targets"][task], dtype=torch.int64)
        for _ in range(steps):
            loss = cross_entropy(predict(fast, x["support_inputs"][task]), labels)
            slopes = torch.autograd.grad(loss, fast, create_graph=True)
            fast = [w - r * g for w, r, g in zip(fast, rates, slopes, strict=True)]
        wanted = torch.tensor(y[task], dtype=torch.int64)
        total = total + cross_entropy(predict(fast, x["query_inputs"][task]), wanted)
    return [g.numpy() for g in torch.autograd.grad(total / len(y), leaves)]


@pytest.mark.parametrize("steps", [1, 3, 10])
@pytest.mark.parametrize("meta_gradient", EXACT)
def test_every_meta_gradient_is_that_of_pytorch(steps, meta_gradient):
    torch = pytest.importorskip("torch")
    learner = make_perceptron(steps, meta_gradient)
    variables = learner.trainable_variables
    assert [tuple(v.shape) for v in variables] == [
        *((4, 3), (3,)),
        *((4, 3), (3,), (3, 2), (2,)),
    ]
    x, y = make_episodes(dtype="float64")
    values = [v.numpy() for v in variables]
    expected = torch_meta_gradients(torch, values, x, y, steps)
    for mine, theirs in zip(meta_gradients(learner, x, y), expected, strict=True):
        scale = np.abs(theirs).max()
        assert scale > 1e-3
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=TOLERANCE * scale)


# Transformers, all weights fast and every rate learned, against finite differences.


def make_bert():
    backbone = keras_nlp.models.BertBackbone(
        VOCABULARY, LAYERS, 2, 8, 8, dropout=0.0, max_sequence_length=LENGTH + 1
    )
    logits = keras.layers.Dense(2)(backbone.output["pooled_output"])
    return keras.Model(backbone.input, logits)


def make_causal_language_model():
    backbone = keras_nlp.models.GPT2Backbone(
        VOCABULARY, LAYERS, 2, 8, 8, dropout=0.0, max_sequence_length=LENGTH + 1
    )
    # The same table reads tokens and scores them.
    logits = backbone.token_embedding(backbone.output, reverse=True)
    return keras.Model(backbone.input, logits)


MODELS = {"bert": make_bert, "causal_language_model": make_causal_language_model}


def make_texts(name, tasks):
    rng = np.random.default_rng(2)

    def inputs():
        tokens = rng.integers(1, VOCABULARY, (tasks, EXAMPLES, LENGTH))
        mask = np.arange(LENGTH) < rng.integers(2, LENGTH + 1, (tasks, EXAMPLES, 1))
        texts = {"token_ids": tokens.astype("int32"), "padding_mask": mask}
        if name == "bert":
            texts["segment_ids"] = (tokens % 2).astype("int32")
        return texts

    def targets():
        if name == "bert":
            return rng.integers(0, 2, (tasks, EXAMPLES)).astype("int32")
        return rng.integers(0, VOCABULARY, (tasks, EXAMPLES, LENGTH)).astype("int32")

    x = {
        "support_inputs": inputs(),
        "support_targets": targets(),
        "query_inputs": inputs(),
    }
    return tf.nest.map_structure(tf.constant, x), tf.constant(targets())


def make_transformer(name, steps, meta_gradient="exact"):
    keras.utils.set_random_seed(0)
    base = MODELS[name]()
    assert make_position_embeddings_differentiable(base) == 1
    learner = MAML(
        base,
        inner_steps=steps,
        update_rule=GradientDescent(0.2, learned=True),
        meta_gradient=meta_gradient,
    )
    learner.compile(keras.optimizers.SGD(1.0))
    noise = draw(learner, seed=3, scale=0.1)
    values = [v.numpy() for v in learner.trainable_variables]
    assign(learner, [v + n for v, n in zip(values, noise, strict=True)])
    return learner


@functools.cache
def finite_difference(name, tasks, steps):
    """The meta-loss' derivative along `draw(…, seed=4)`, by Richardson extrapolation.

    Central differences at h, h / 2, h / 4 and h / 8 have errors in even powers of h;
    three of these cancel. What the last of them changed bounds the error that is left.
    """
    learner = make_transformer(name, steps)
    x, y = make_texts(name, tasks)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    loss = tf.function(lambda: cross_entropy(y, learner(x)), autograph=False)
    start = [v.numpy() for v in learner.trainable_variables]
    direction = draw(learner, seed=4, scale=1.0)

    def difference(h):
        ends = []
        for signed in (h, -h):
            moved = zip(start, direction, strict=True)
            assign(learner, [v + signed * d for v, d in moved])
            ends.append(float(loss()))
        return (ends[0] - ends[1]) / (2 * h)

    row = [difference(5e-4 / 2**level) for level in range(4)]
    changes = []
    for power in (4, 16, 64):
        finer = [(power * b - a) / (power - 1) for a, b in itertools.pairwise(row)]
        changes.append(abs(finer[-1] - row[-1]))
        row = finer
    assert abs(row[0]) > 1e-2
    assert changes[-1] < 0.1 * TOLERANCE * abs(row[0])
    return row[0]


def assert_slope(name, tasks, meta_gradient, steps, mode):
    learner = make_transformer(name, steps, meta_gradient)
    fast = len(learner.base_learner.trainable_variables)
    assert len(learner.trainable_variables) == 2 * fast  # a rate for each
    found = meta_gradients(learner, *make_texts(name, tasks), mode)
    direction = draw(learner, seed=4, scale=1.0)
    slope = sum(np.vdot(g, d) for g, d in zip(found, direction, strict=True))
    expected = finite_difference(name, tasks, steps)
    assert slope == pytest.approx(expected, rel=TOLERANCE)


MODES = ("eager", "graph", "xla")
EVERY_PAIRING = [
    *itertools.product(MODELS, ["exact_unrolled"], [1, 3], MODES),
    *itertools.product(MODELS, ["exact_recursive"], [1, 3, 10], MODES),
]
A_FEW = [
    ("bert", "exact_unrolled", 1, "graph"),
    ("causal_language_model", "exact_recursive", 3, "xla"),
]


@pytest.mark.parametrize(
    ("name", "meta_gradient", "steps", "mode"),
    EVERY_PAIRING if EVERY else A_FEW,
)
def test_the_meta_gradient_is_the_slope_of_the_meta_loss(
    name, meta_gradient, steps, mode
):
    assert_slope(name, 1, meta_gradient, steps, mode)
