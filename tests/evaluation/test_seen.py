"""A corpus that meta-training has seen is told from one that it has not."""

import numpy as np
import pytest

from maml_tf.base_learners.delta import Delta
from maml_tf.episodes import Corpus, CorpusError
from maml_tf.evaluation.seen import class_digests, digests, refuse_seen, seen_by

SEEN = [f"what is my balance number {i}" for i in range(200)]


@pytest.fixture
def delta():
    return Delta({}, {}, digests(SEEN), class_digests(["account_balance", "greeting"]))


def corpus(texts, labels):
    return Corpus(tuple(texts), tuple(labels), name="bot.jsonl")


def test_repeated_texts_are_found_whatever_their_case(delta):
    own = [f"my own text {i}" for i in range(8)]
    judged = corpus([*own, SEEN[3].upper(), f" {SEEN[4]}  "], "ab" * 5)
    assert seen_by(delta, judged).rows == (8, 9)
    with pytest.raises(CorpusError, match=r"2 of its 10 texts.*0 of its 2 classes"):
        refuse_seen(judged, delta=delta)
    assert refuse_seen(judged, delta=delta, allow=True).is_leak


def test_the_names_of_the_classes_give_a_paraphrased_corpus_away(delta):
    judged = corpus(["a", "b"], ["accountBalance", "Greeting"])
    assert seen_by(delta, judged).classes == ("Greeting", "accountBalance")
    with pytest.raises(CorpusError, match=r"0 of its 2 texts.*2 of its 2 classes"):
        refuse_seen(judged, delta=delta)


def test_what_two_corpora_share_by_chance_is_reported_and_no_leak(delta):
    texts = [SEEN[0], *(f"another text {i}" for i in range(199))]
    labels = ["greeting", *(f"class {i % 19}" for i in range(199))]
    overlap = refuse_seen(corpus(texts, labels), delta=delta)
    assert overlap.rows == (0,) and overlap.classes == ("greeting",)
    assert not overlap.is_leak


def test_an_empty_delta_has_seen_nothing():
    empty = Delta({}, {}, np.array([], "uint64"), np.array([], "uint64"))
    assert not refuse_seen(corpus(SEEN, ["x"] * 200), delta=empty).is_leak
