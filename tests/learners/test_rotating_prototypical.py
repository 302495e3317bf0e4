"""Rotating episodes are n one-shot episodes, no more and no less."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from maml_tf.learners import PrototypicalNetwork
from maml_tf.learners.rotating_prototypical import RotatingPrototypicalNetwork

WAYS, EXAMPLES, DIM = 3, 4, 5


def network():
    keras.utils.set_random_seed(3)
    layers = [keras.Input((DIM,)), keras.layers.Dense(4, activation="tanh")]
    return keras.Sequential(layers)


def episode():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(WAYS, EXAMPLES, DIM)).astype("float32")
    support = np.array([2, 0, 1])
    query = random.permutation(np.repeat(np.arange(WAYS), EXAMPLES - 1))
    used = [iter(vectors[c, 1:]) for c in range(WAYS)]
    x = {
        "support_inputs": vectors[support, 0][None],
        "support_targets": support[None].astype("int32"),
        "query_inputs": np.stack([next(used[c]) for c in query])[None],
    }
    return vectors, x, query[None].astype("int32")


def test_loss_and_gradients_are_the_mean_of_one_shot_episodes():
    vectors, x, y = episode()
    rotating = RotatingPrototypicalNetwork(network(), examples_per_class=EXAMPLES)
    rotating.compile(keras.optimizers.SGD(0.1))
    rotating.build_from_episode(x)
    loss, _, gradients = rotating.compute_meta_gradients(
        tf.nest.map_structure(tf.constant, x), tf.constant(y), None
    )
    plain = PrototypicalNetwork(network())
    plain.build_from_episode(x)
    losses = []
    with tf.GradientTape() as tape:
        for turn in range(EXAMPLES):
            others = [i for i in range(EXAMPLES) if i != turn]
            logits = plain(
                {
                    "support_inputs": vectors[None, :, turn],
                    "support_targets": np.arange(WAYS)[None],
                    "query_inputs": vectors[:, others].reshape(1, -1, DIM),
                }
            )
            labels = np.repeat(np.arange(WAYS), EXAMPLES - 1)[None]
            losses.append(
                tf.reduce_mean(
                    tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
                )
            )
        mean = tf.add_n(losses) / EXAMPLES
    expected = tape.gradient(mean, plain.trainable_variables)
    assert float(loss) == pytest.approx(float(mean), rel=1e-5)
    for mine, theirs in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


def test_eager_graph_and_xla_agree():
    _, x, y = episode()
    found = []
    for options in (
        {"run_eagerly": True},
        {"jit_compile": False},
        {"jit_compile": True},
    ):
        learner = RotatingPrototypicalNetwork(
            network(), examples_per_class=EXAMPLES, max_ways=WAYS
        )
        learner.compile(keras.optimizers.SGD(0.1), **options)
        logs = learner.train_on_batch(x, y, return_dict=True)
        found.append([logs["loss"], *(v.numpy() for v in learner.trainable_variables)])
    for other in found[1:]:
        for mine, theirs in zip(found[0], other, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


def test_training_metrics_are_those_of_the_episode_as_given():
    _, x, y = episode()
    rotating = RotatingPrototypicalNetwork(network(), examples_per_class=EXAMPLES)
    rotating.compile(keras.optimizers.SGD(0.0), metrics=["accuracy"])
    logs = rotating.train_on_batch(x, y, return_dict=True)
    guesses = np.argmax(rotating.predict_on_batch(x), axis=-1)
    accuracy = [v for k, v in logs.items() if k != "loss"]
    assert float(accuracy[0]) == pytest.approx((guesses == y).mean(), abs=1e-6)


def test_saving(tmp_path):
    _, x, y = episode()
    learner = RotatingPrototypicalNetwork(network(), examples_per_class=EXAMPLES)
    learner.train_on_batch(x, y)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    assert loaded.examples_per_class == EXAMPLES
    np.testing.assert_allclose(
        learner.predict_on_batch(x), loaded.predict_on_batch(x), rtol=1e-5
    )


def test_one_example_a_class_is_refused():
    with pytest.raises(ValueError, match="no query"):
        RotatingPrototypicalNetwork(network(), examples_per_class=1)
