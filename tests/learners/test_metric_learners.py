"""Matching networks and semi-supervised prototypes by hand."""

import keras
import numpy as np
import pytest
from conftest import make_episodes

from maml_tf.learners import MatchingNetwork, PrototypicalNetwork


def identity(dim=2):
    return keras.Sequential([keras.Input((dim,)), keras.layers.Identity()])


X = {
    "support_inputs": np.array([[[0.0, 1], [2, 0], [0, 4]]], "float32"),
    "support_targets": np.array([[0, 0, 1]]),
    "query_inputs": np.array([[[1.0, 1]]], "float32"),
}


def test_matching_is_attention_by_cosine():
    cosines = np.array([1, 1, 1]) / np.sqrt(2)
    weights = np.exp(3 * cosines) / np.exp(3 * cosines).sum()
    expected = np.log([weights[0] + weights[1], weights[2]])
    logits = MatchingNetwork(identity(), scale=3.0)(X)
    np.testing.assert_allclose(logits[0, 0], expected, rtol=1e-5)


def test_full_context_reads_the_support_set_and_trains():
    network = MatchingNetwork(identity(4), full_context=True, max_ways=2)
    x, y = make_episodes()
    before = [v.numpy() for v in network.trainable_variables]
    network.compile(keras.optimizers.SGD(0.1))
    network.train_on_batch(x, y)
    assert len(before) == 9
    for old, new in zip(before, network.trainable_variables, strict=True):
        assert not np.array_equal(old, new.numpy()), new.path
    fast = network.adapt(x["support_inputs"], x["support_targets"])
    x["support_inputs"][:, 0] += 5
    moved = network.adapt(x["support_inputs"], x["support_targets"])
    assert not np.allclose(fast["vectors"][:, 1], moved["vectors"][:, 1])


def test_one_refinement_step_by_hand():
    network = PrototypicalNetwork(identity(1), refinement_steps=1)
    support, labels = np.array([[[0.0], [4.0]]], "float32"), np.array([[0, 1]])
    extra = np.array([[[1.0]]], "float32")
    share = 1 / (1 + np.exp(1.0 - 9.0))
    expected = [[share / (1 + share)], [(4 + 1 - share) / (2 - share)]]
    fast = network.adapt(support, labels, unlabelled_inputs=extra)
    np.testing.assert_allclose(fast["prototypes"][0], expected, rtol=1e-5)
    plain = network.adapt(support, labels)
    np.testing.assert_allclose(plain["prototypes"][0], support[0])


def test_queries_refine_prototypes_only_when_that_is_said():
    x, _ = make_episodes()
    x["unlabelled_inputs"] = x["query_inputs"][:, :2] + 1

    def predict(**options):
        network = PrototypicalNetwork(identity(4), max_ways=2, **options)
        whole = network(x).numpy()
        first = network({**x, "query_inputs": x["query_inputs"][:, :1]}).numpy()
        return whole, np.allclose(whole[:, :1], first, rtol=1e-5)

    off, independent = predict()
    refined, still_independent = predict(refinement_steps=2)
    _, transductive_is_independent = predict(refinement_steps=2, transductive=True)
    assert independent and still_independent and not transductive_is_independent
    assert not np.allclose(off, refined)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"refinement_steps": -1}, "refinement_steps"), ({"transductive": True}, "needs")],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PrototypicalNetwork(identity(), **options)
