"""Rows that hold the same text never stand on both sides of a task."""

import itertools

import numpy as np
import pytest

from maml_tf.base_learners import create_text_encoder
from maml_tf.episodes import Corpus, encode_corpus, read_corpus
from maml_tf.episodes.near_duplicates import TextLabels, can_divide, clusters_of, divide
from maml_tf.episodes.same_text import same_texts, text_key
from maml_tf.episodes.sampler import EpisodeSampler, SamplingError


def by_trying(sizes, shots, queries):
    """Whether any of all divisions holds enough rows on both sides."""
    total = sum(sizes)
    return any(
        shots <= sum(side) <= total - queries
        for count in range(len(sizes) + 1)
        for side in itertools.combinations(sizes, count)
    )


def test_divisions_are_those_of_trying_all():
    for sizes in itertools.chain.from_iterable(
        itertools.combinations_with_replacement(range(1, 5), n) for n in range(1, 5)
    ):
        for shots, queries in itertools.product(range(1, 5), repeat=2):
            expected = by_trying(sizes, shots, queries)
            assert can_divide(list(sizes), shots, queries) == expected
            if expected:
                random = np.random.default_rng(0)
                support, query = divide(list(sizes), shots, queries, random)
                assert sorted(support + query) == list(range(len(sizes)))
                assert sum(sizes[i] for i in support) >= shots
                assert sum(sizes[i] for i in query) >= queries


@pytest.mark.parametrize(
    ("sizes", "shots", "queries", "feasible"),
    [((2, 2, 2), 3, 3, False), ((3, 1), 1, 3, True), ((9,) * 11 + (1,), 1, 99, True)],
)
def test_a_sampler_takes_what_it_can_draw(sizes, shots, queries, feasible):
    templates = np.tile(np.repeat(np.arange(len(sizes)), sizes), 2)
    labels = np.repeat([0, 1], sum(sizes))
    options = {"ways": 2, "shots": shots, "queries": queries, "templates": templates}
    if not feasible:
        with pytest.raises(SamplingError, match="groups of like ones"):
            EpisodeSampler(labels, **options)
        return
    drawn = EpisodeSampler(labels, **options).sample(0)
    assert drawn.support.shape == (1, 2 * shots)
    assert drawn.query.shape == (1, 2 * queries)


def encoded(rows):
    texts, labels = zip(*rows, strict=True)
    encoder = create_text_encoder("scratch:num_layers=1,hidden_dim=8")
    return encode_corpus(Corpus(texts, labels), encoder.preprocessor)


@pytest.mark.parametrize(
    "rows",
    [
        [(f"text {i}", label) for label in "AB" for i in range(6)],
        [
            (text, label)
            for label in "AB"
            for i in range(3)
            for text in (f"{label} w {i}", f"{label}  W  {i}")
        ],
    ],
    ids=["under two labels", "in other case and blanks"],
)
def test_the_same_text_stays_on_one_side(rows):
    data = encoded(rows)
    tokens = data.inputs["token_ids"]
    sampler = EpisodeSampler(data.labels, ways=2, shots=2, queries=2)
    for index in range(100):
        drawn = sampler.sample(index)
        support, query = (
            {tokens[row].tobytes() for row in rows[0]}
            for rows in (drawn.support, drawn.query)
        )
        assert not support & query


def test_variants_are_one_text_to_an_encoder_that_minds_case_too():
    """A reader says that no task has both, whatever the vocabulary."""

    def cased(texts):
        tokens = np.array([[ord(c) for c in f"{text:8.8}"] for text in texts])
        return {"token_ids": tokens, "padding_mask": np.ones_like(tokens)}

    texts = ("Pay me", "pay me", "so long, my friend", "so long, my foe", "bye")
    data = encode_corpus(Corpus(texts, ("a", "b", "a", "b", "a")), cased)
    assert data.labels.texts.tolist() == [0, 0, 2, 2, 4]
    assert same_texts(texts).tolist() == [0, 0, 2, 3, 4]


def test_texts_that_cannot_be_kept_apart_are_refused():
    labels = TextLabels.of([0, 0, 1, 1], texts=[0, 1, 0, 1])
    sampler = EpisodeSampler(labels, ways=2, shots=1, queries=1)
    assert sampler.sample(0).support.shape == (1, 2)
    labels = TextLabels.of([0, 0, 1, 1, 2, 2], texts=[0, 1, 1, 2, 2, 0])
    with pytest.raises(SamplingError, match="give each text one label"):
        EpisodeSampler(labels, ways=3, shots=1, queries=1).sample(0)


def test_distinct_texts_are_drawn_as_ever():
    """Tasks of a corpus without doubles are a function of the seed alone."""
    labels = np.repeat(np.arange(4), 5)
    plain = EpisodeSampler(labels, ways=3, shots=2, queries=2).sample(3)
    known = TextLabels.of(labels, texts=np.arange(20))
    drawn = EpisodeSampler(known, ways=3, shots=2, queries=2).sample(3)
    np.testing.assert_array_equal(plain.support, drawn.support)
    np.testing.assert_array_equal(plain.query, drawn.query)


def test_clusters_join_what_any_mark_ties():
    assert clusters_of(None) is None
    marks = np.array([1, 2, 3, 4]), np.array([9, 9, 8, 7]), np.array([5, 6, 6, 7])
    assert clusters_of(*marks).tolist() == [0, 0, 0, 3]


def test_the_built_in_corpus_has_each_sentence_under_one_intent():
    corpus = read_corpus("home_assistant_intents:en")
    labels = {}
    for text, label in zip(corpus.texts, corpus.labels, strict=True):
        labels.setdefault(text_key(text), set()).add(label)
    assert all(len(found) == 1 for found in labels.values())
    assert corpus.report.skipped["sentences that two intents share"] > 0
