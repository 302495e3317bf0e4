"""Answers do not depend on the order of the examples."""

import numpy as np
import pytest
import tensorflow as tf
from serving.small_exports import LABELS, QUERIES, SUPPORT, exports

from maml_tf.serving import load_signatures
from maml_tf.serving.support_order import argsort_strings, sorted_classes


def test_strings_are_sorted_as_python_sorts_bytes():
    generator = np.random.default_rng(0)
    letters = np.array([b"", b"\0", b"a", b"b", b"\x7f", b"\xc3\xa9", b"abcdefg"])
    strings = {
        b"".join(letters[generator.integers(0, len(letters), size)])
        for size in range(7)
        for _ in range(50)
    }
    strings = generator.permutation(np.array([*strings], object)).tolist()
    order = argsort_strings(tf.constant(strings)).numpy()
    assert [strings[i] for i in order] == sorted(strings)


def test_classes_have_the_number_of_their_place():
    names, numbers = sorted_classes(tf.constant(["b", "c", "a", "c", "aa"]))
    assert names.numpy().tolist() == [b"a", b"aa", b"b", b"c"]
    assert numbers.numpy().tolist() == [2, 3, 0, 3, 1]


@pytest.mark.parametrize("kind", ["prototypical", "maml"])
def test_an_export_learns_the_same_from_examples_in_any_order(kind):
    signatures = load_signatures(exports(kind).folder)
    texts = [*SUPPORT, "louder", "dim it", "warmer please"]
    labels = [*LABELS, "music", "light", "heating"]

    def learned(order):
        support = {
            "support_texts": tf.constant([texts[i] for i in order]),
            "support_labels": tf.constant([labels[i] for i in order]),
        }
        return [
            signatures["adapt"](**support),
            signatures["classify"](**support, query_texts=tf.constant(QUERIES)),
        ]

    places = np.arange(len(texts))
    first = learned(places)
    assert first[0]["class_names"].numpy().tolist() == [b"heating", b"light", b"music"]
    generator = np.random.default_rng(1)
    for order in (places[::-1], *(generator.permutation(places) for _ in range(4))):
        for one, other in zip(first, learned(order), strict=True):
            for key, value in one.items():
                np.testing.assert_array_equal(other[key], value)
