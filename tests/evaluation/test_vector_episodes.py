"""Episodes over ready vectors give what the encoder would have given."""

import keras
import numpy as np

from maml_tf.episodes import EncodedCorpus
from maml_tf.evaluation import episode_accuracies
from maml_tf.evaluation.vector_episodes import (
    cosine_logits,
    cosine_prototypes,
    nearest_prototype,
    vector_episode_accuracies,
)
from maml_tf.learners import PrototypicalNetwork


def test_the_same_as_embedding_in_every_episode():
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), 9)
    inputs = (random.normal(size=(6, 4))[labels] + random.normal(size=(54, 4))).astype(
        "float32"
    )
    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    expected = episode_accuracies(
        PrototypicalNetwork(encoder, distance="cosine"),
        EncodedCorpus(inputs, labels.astype("int32"), tuple("abcdef")),
        ways=3,
        shots=2,
        queries=4,
        episodes=40,
        seed=5,
        tasks_per_batch=20,
    )
    found = vector_episode_accuracies(
        encoder(inputs).numpy(),
        labels,
        shots=2,
        ways=3,
        queries=4,
        episodes=40,
        seed=5,
    )
    np.testing.assert_allclose(found, expected)
    assert 0.4 < found.mean() < 1


def test_prototypes_of_arrays_are_those_of_the_learner():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(7, 4)).astype("float32")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = np.array([2, 0, 1, 2, 1])
    learner = nearest_prototype(4)
    fast = learner.adapt(vectors[None, :5], labels[None])
    expected = learner.predict_adapted(fast, vectors[None, 5:])[0]
    found = cosine_logits(cosine_prototypes(vectors[:5], labels), vectors[5:])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_name_counts_as_so_many_examples():
    vectors = np.random.default_rng(0).normal(size=(5, 4))
    named = cosine_prototypes(vectors[:1], np.array([0]), vectors[1:2], name_weight=2.0)
    thrice = cosine_prototypes(vectors[[0, 1, 1]], np.array([0, 0, 0]))
    np.testing.assert_allclose(named, thrice, rtol=1e-12)


def test_templates_never_stand_on_both_sides():
    # Two templates a class, all four far from each other: a query is known where its
    # own template is among the examples, and there alone.
    random = np.random.default_rng(0)
    labels, templates = np.repeat([0, 1], 60), np.repeat(np.arange(4), 30)
    vectors = random.normal(size=(4, 64)).astype("float32")[templates]
    options = {"shots": 5, "ways": 2, "queries": 5, "episodes": 60}
    leaking = vector_episode_accuracies(vectors, labels, **options)
    apart = vector_episode_accuracies(vectors, labels, templates=templates, **options)
    assert leaking.mean() > 0.9 and apart.mean() < 0.1
