"""Learning from feedback: the loss of pairs and thumbs under learners as they are."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from learners.small_language_models import small_language_model

from maml_tf import MAML, PrototypicalNetwork, Reptile
from maml_tf.base_learners import PreferenceLoss, ThumbsLoss, UnlikelihoodLoss

BETA, RATE, STEPS, LENGTH = 0.7, 0.4, 2, 5


def _small():
    """Gives a number for each token, and is quick."""
    dtype = "float64"
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((None, LENGTH, 3), dtype=dtype),
            layers.Dense(4, activation="tanh", dtype=dtype),
            layers.Dense(1, activation="tanh", dtype=dtype),
            layers.Reshape((-1, LENGTH), dtype=dtype),
        ]
    )


def _small_with_values():
    base = _small()
    random = np.random.default_rng(0)
    for variable in base.variables:
        variable.assign(random.normal(size=variable.shape))
    return base


def _episode(tasks=2, support=2, query=1, replies=2, text=False):
    random = np.random.default_rng(1)

    def part(count, replies):
        shape = (tasks, count, replies, LENGTH)
        mask = np.ones(shape, "int64")
        mask[:, :, 0, -1] = 0
        signs = random.permuted(np.tile([1.0, -1.0], (tasks, count, 1)), axis=-1)
        targets = mask * signs[..., :replies, None] * (np.arange(LENGTH) > 1)
        if not text:
            return tf.constant(random.normal(size=(*shape, 3))), tf.constant(targets)
        ids = random.integers(0, 256, shape)
        inputs = {"token_ids": tf.constant(ids), "padding_mask": tf.constant(mask)}
        return inputs, tf.constant(targets)

    inputs, targets = part(support, replies)
    queries, judged = part(query, 2)
    x = {"support_inputs": inputs, "support_targets": targets, "query_inputs": queries}
    return x, judged


def _learner(base, kind=MAML, **options):
    chosen = {"inner_steps": STEPS, "inner_learning_rate": RATE, **options}
    learner = kind(base, **chosen)
    loss = PreferenceLoss(BETA, dtype="float64")
    learner.compile(keras.optimizers.SGD(1.0), loss=loss)
    return learner


def _likely(base, inputs):
    """Log-likelihoods: of a language model from the scores of all words."""
    if not isinstance(inputs, dict):
        return base(inputs)
    rows = {k: tf.reshape(t, (-1, LENGTH)) for k, t in inputs.items()}
    scores = tf.nn.log_softmax(base.logits(rows))[:, :-1]
    found = tf.gather(scores, rows["token_ids"][:, 1:], batch_dims=2)
    found = tf.pad(found, [[0, 0], [1, 0]])
    return tf.reshape(found, inputs["token_ids"].shape)


def _by_nested_tapes(base, x, y, first_order, thumbs=False):
    """Loss and gradient by the book, one task at a time."""
    start = [tf.convert_to_tensor(v.value) for v in base.trainable_variables]

    def margins(weights, inputs, targets):
        mapping = list(zip(base.trainable_variables, weights, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return tf.reduce_sum(targets * _likely(base, inputs), axis=(1, 2))

    def loss(weights, inputs, targets, thumbs):
        reward = BETA * (
            margins(weights, inputs, targets) - margins(start, inputs, targets)
        )
        if thumbs:
            return tf.reduce_mean(1 - tf.sigmoid(reward))
        return -tf.reduce_mean(tf.math.log_sigmoid(reward))

    with tf.GradientTape() as outer:
        outer.watch(start)
        total = 0.0
        for task in range(y.shape[0]):
            one = tf.nest.map_structure(lambda t, i=task: t[i], x)
            # Copies: the reference is the start too, but is no weight of a step.
            weights = [tf.identity(t) for t in start]
            for _ in range(STEPS):
                with tf.GradientTape() as inner:
                    inner.watch(weights)
                    value = loss(
                        weights, one["support_inputs"], one["support_targets"], thumbs
                    )
                gradients = inner.gradient(value, weights)
                if first_order:
                    gradients = [tf.stop_gradient(g) for g in gradients]
                weights = [
                    w - RATE * g for w, g in zip(weights, gradients, strict=True)
                ]
            total += loss(weights, one["query_inputs"], y[task], False) / y.shape[0]
    return total, outer.gradient(total, start)


@pytest.mark.parametrize(
    ("text", "meta_gradient", "thumbs"),
    [
        (True, "exact_unrolled", False),
        (False, "exact_unrolled", True),
        (False, "exact_recursive", False),
        (False, "first_order", False),
        (False, "first_order", True),
    ],
)
def test_the_meta_gradient_is_that_of_nested_tapes(text, meta_gradient, thumbs):
    base = small_language_model() if text else _small_with_values()
    x, y = _episode(tasks=1 if text else 2, replies=1 if thumbs else 2, text=text)
    options = {"inner_loss": ThumbsLoss(BETA, dtype="float64")} if thumbs else {}
    learner = _learner(base, meta_gradient=meta_gradient, **options)
    loss, _, gradients = learner.compute_meta_gradients(x, y, None)
    first_order = meta_gradient == "first_order"
    wanted, by_tapes = _by_nested_tapes(base, x, y, first_order, thumbs)
    # Keras-NLP's Llama norms, softmax and SiLU are in float32 whatever the dtype.
    near = {"rtol": 1e-4, "atol": 2e-6} if text else {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(loss, wanted, rtol=1e-6)
    assert max(float(tf.reduce_max(tf.abs(g))) for g in by_tapes) > 1e-3
    for ours, plain in zip(gradients, by_tapes, strict=True):
        np.testing.assert_allclose(ours, plain, **near)


def test_the_starts_own_gradient_is_part_of_the_exact_one():
    base = _small_with_values()
    x, y = _episode()
    exact, first = (
        _by_nested_tapes(base, x, y, first_order)[1] for first_order in (False, True)
    )
    gaps = [np.abs(a - b).max() for a, b in zip(exact, first, strict=True)]
    assert max(gaps) > 1e-4


def test_eager_is_graph_is_compiled_and_one_task_at_a_time():
    x, y = _episode()
    found = []
    for vectorized, eager, xla in (
        (True, False, False),
        (True, False, True),
        (False, True, False),
    ):
        learner = _learner(_small_with_values(), vectorized=vectorized)
        learner.compile(
            keras.optimizers.SGD(0.1),
            loss=PreferenceLoss(BETA, dtype="float64"),
            run_eagerly=eager,
            jit_compile=xla,
        )
        learner.train_on_batch(x, y)
        found.append([v.numpy() for v in learner.trainable_variables])
    start = [v.numpy() for v in _small_with_values().variables]
    assert max(np.abs(a - b).max() for a, b in zip(start, found[0], strict=True)) > 1e-4
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_allclose(one, two, atol=1e-7)


@pytest.mark.parametrize(
    ("kind", "inner_loss"),
    [
        (MAML, None),
        (Reptile, None),
        (MAML, ThumbsLoss(5.0, dtype="float64")),
        (MAML, UnlikelihoodLoss(dtype="float64")),
    ],
)
def test_steps_go_down_on_each_loss(kind, inner_loss):
    x, _ = _episode(tasks=1, support=2)
    y = x["support_targets"]
    base = _small_with_values()
    if isinstance(inner_loss, UnlikelihoodLoss):
        # Log-likelihoods are negative.
        base.add(keras.layers.Rescaling(1.0, offset=-2.0, dtype="float64"))
    learner = _learner(
        base, kind, inner_loss=inner_loss, inner_learning_rate=0.02, inner_steps=20
    )
    loss = inner_loss or learner.loss
    x = {**x, "query_inputs": x["support_inputs"]}
    start, adapted = learner.predict_start(x), learner(x)
    before, after = start, adapted
    if getattr(loss, "relative_to_start", False):
        before, after = start - start, adapted - start
    assert float(loss(y[0], after[0])) < float(loss(y[0], before[0])) - 0.005
    fast = learner.adapt(x["support_inputs"], y, steps=0)
    at_start = learner.predict_adapted(fast, x["query_inputs"])
    np.testing.assert_allclose(start, at_start, atol=1e-12)


def test_metrics_see_what_the_loss_is_of():
    x, y = _episode()
    learner = _learner(_small_with_values(), inner_steps=0)

    class Largest(keras.metrics.Mean):
        def update_state(self, y_true, y_pred, sample_weight=None):
            super().update_state(tf.reduce_max(tf.abs(y_pred)))

    loss = PreferenceLoss(BETA, dtype="float64")
    learner.compile(keras.optimizers.SGD(0.1), loss=loss, metrics=[Largest("largest")])
    found = learner.test_on_batch(x, y, return_dict=True)
    assert found["largest"] == 0  # without a step nothing is relative to the start
    np.testing.assert_allclose(found["loss"], np.log(2))
    assert np.abs(learner.predict(x, verbose=0)).max() > 0.1


def test_a_saved_learner_still_adapts_by_preferences(tmp_path):
    x, _ = _episode()
    learner = _learner(_small_with_values())
    wanted = learner.adapt(x["support_inputs"], x["support_targets"])
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    found = loaded.adapt(x["support_inputs"], x["support_targets"])
    for one, two in zip(wanted.values(), found.values(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-9)


def test_a_broken_task_is_left_out():
    x, y = _episode()
    learner = _learner(_small_with_values())
    wanted = learner.compute_meta_gradients(
        *tf.nest.map_structure(_first, (x, y)), None
    )
    broken = np.array(x["support_inputs"])
    broken[1, 0, 0, 2] = 1e308
    x = {**x, "support_inputs": tf.constant(broken) * 1e10}
    x["support_inputs"] = tf.concat(
        [_first(_episode()[0]["support_inputs"]), x["support_inputs"][1:]], 0
    )
    found = learner.compute_meta_gradients(x, y, None)
    for one, two in zip(wanted[2], found[2], strict=True):
        np.testing.assert_allclose(one, two, atol=1e-9)


def _first(tensor):
    return tensor[:1]


def test_a_learner_without_a_start_is_told():
    base = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    learner = PrototypicalNetwork(base)
    learner.compile("sgd", loss=PreferenceLoss())
    x = {"support_inputs": tf.ones((1, 2, 2)), "query_inputs": tf.ones((1, 2, 2))}
    x["support_targets"] = tf.constant([[0, 1]])
    with pytest.raises(ValueError, match="has no starting weights"):
        learner.query_losses(x, tf.constant([[0, 1]]), None)


def test_a_relative_loss_is_the_only_one():
    learner = MAML(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]))
    with pytest.raises(ValueError, match="compiled alone"):
        learner.compile("sgd", loss={"a": PreferenceLoss(), "b": "mse"})


def test_a_negative_beta_is_told():
    with pytest.raises(ValueError, match="beta"):
        PreferenceLoss(beta=-1.0)
