"""A corpus and its identity."""

import hashlib

import numpy as np
import pytest

from maml_tf.episodes import Corpus, CorpusError

TEXTS, LABELS = ("hi", "hello", "so long"), ("greet", "greet", "leave")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (((), ()), "holds no texts"),
        ((("a",), ("x", "y")), "1 texts but 2 labels"),
        (("ab", ("x", "y")), "texts have to be several strings, not 'ab'"),
        ((("a",), None), "labels have to be several strings, not None"),
        ((("a", None), ("x", "y")), r"texts\[1\] has to be a string, not None"),
        ((("a", "b"), ("x", 3)), r"labels\[1\] has to be a string, not 3"),
        ((("a", "b\ud83d"), ("x", "y")), r"texts\[1\] holds half a character"),
        ((("a",), ("x",), ("g", "h")), "1 texts but 2 groups"),
    ],
)
def test_what_is_no_corpus_is_refused(columns, message):
    with pytest.raises(CorpusError, match=message):
        Corpus(*columns)


def test_numpy_strings_become_plain_ones():
    corpus = Corpus(np.array(["a", "b"]), np.array(["x", "y"]))
    assert corpus == Corpus(("a", "b"), ("x", "y"))
    assert {type(value) for value in (*corpus.texts, *corpus.labels)} == {str}


def test_digest_tells_every_change_and_only_changes():
    corpus = Corpus(TEXTS, LABELS)
    others = [
        Corpus(TEXTS[::-1], LABELS[::-1]),
        Corpus(("hi", "hello", "So long"), LABELS),
        Corpus(TEXTS, ("greet", "leave", "leave")),
        Corpus(TEXTS, LABELS, groups=("a", "a", "a")),
        Corpus(TEXTS, LABELS, templates=("a", "a", "a")),
        Corpus(("hi", "hellos", "o long"), LABELS),
    ]
    digests = {c.digest() for c in (corpus, *others)}
    assert len(digests) == len(others) + 1
    assert Corpus(TEXTS, LABELS, name="moved.csv").digest() == corpus.digest()
    # Fixed for good, since runs keep it.
    assert corpus.digest() == (
        hashlib.sha256(
            b'[["hi","hello","so long"],["greet","greet","leave"],null,null]'
        ).hexdigest()
    )


def test_class_digests_know_a_class_by_its_texts():
    before = Corpus(TEXTS, LABELS)
    after = Corpus(("SO  long", "hello", "new", "hi"), ("bye", "greet", "x", "greet"))
    assert before.class_digests()["greet"] == after.class_digests()["greet"]
    assert before.class_digests()["leave"] == after.class_digests()["bye"]
    assert before.class_digests()["leave"] != after.class_digests()["x"]
    assert before.text_digests()["leave"] == after.text_digests()["bye"]
    assert len(before.text_digests()["greet"]) == 2


def test_a_selection_may_have_a_name_of_its_own():
    corpus = Corpus(TEXTS, LABELS, groups=("a", "b", "c"), name="shop")
    chosen = corpus.select(["greet"])
    assert (chosen.texts, chosen.groups) == (("hi", "hello"), ("a", "b"))
    assert chosen.name == "shop"
    assert corpus.select(["greet"], name="greetings").name == "greetings"
