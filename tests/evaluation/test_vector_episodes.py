"""Episodes over ready vectors give what the encoder would have given."""

import keras
import numpy as np

from maml_tf.episodes import EncodedCorpus
from maml_tf.evaluation import episode_accuracies
from maml_tf.evaluation.vector_episodes import vector_episode_accuracies
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
