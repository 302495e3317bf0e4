"""Properties of every drawn task, and the stream of them."""

import warnings

import numpy as np
import pytest
import tensorflow as tf

from maml_tf.episodes import (
    Corpus,
    EncodedCorpus,
    EpisodeSampler,
    SamplingError,
    encode_corpus,
    episode_dataset,
)

LABELS = np.repeat(np.arange(8), 12)
TEMPLATES = np.arange(96) // 3


@pytest.mark.parametrize("templates", [None, TEMPLATES])
def test_every_task_is_a_task(templates):
    sampler = EpisodeSampler(
        LABELS,
        ways=(2, 5),
        shots=(1, 4),
        queries=3,
        tasks_per_batch=2,
        templates=templates,
        seed=5,
    )
    sizes, orders = set(), set()
    for index in range(200):
        drawn = sampler.sample(index)
        for s, sl, q, ql in zip(
            drawn.support,
            drawn.support_labels,
            drawn.query,
            drawn.query_labels,
            strict=True,
        ):
            assert not set(s) & set(q)
            assert len(set(s)) == len(s) and len(set(q)) == len(q)
            ways = sl.max() + 1
            classes = {int(label): set(LABELS[s[sl == label]]) for label in range(ways)}
            assert all(len(c) == 1 for c in classes.values())
            assert len(set.union(*classes.values())) == ways
            for label, (true,) in ((k, tuple(v)) for k, v in classes.items()):
                assert set(LABELS[q[ql == label]]) == {true}
                orders.add((label, true))
            if templates is not None:
                assert not set(templates[s]) & set(templates[q])
            counts = np.bincount(sl)
            assert len(set(counts)) == 1
            sizes.add((int(ways), int(counts[0])))
    assert len(sizes) == 16
    assert len(orders) == 8 * 5  # every class has had every label


def test_draws_depend_on_seed_and_number_alone():
    def rows(seed, index):
        sampler = EpisodeSampler(LABELS, ways=3, shots=2, queries=2, seed=seed)
        return sampler.sample(index).support.tolist()

    assert rows(1, 7) == rows(1, 7)
    assert rows(1, 7) != rows(1, 8)
    assert rows(1, 7) != rows(2, 7)


def test_too_little_is_refused_by_name():
    with pytest.raises(SamplingError, match=r"9 ways .* there are 8"):
        EpisodeSampler(LABELS, ways=9, shots=1, queries=1)
    names = ["tiny", "large"]
    labels = [0, 0, 1, 1, 1, 1]
    with pytest.raises(
        SamplingError, match=r"'tiny' has 2 rows.*2 shots and 2 queries"
    ):
        EpisodeSampler(labels, ways=2, shots=2, queries=2, class_names=names)
    with pytest.raises(SamplingError, match="there are 1"):
        EpisodeSampler(labels, ways=2, shots=2, queries=2, drop_small_classes=True)
    for options in ({"ways": 1}, {"shots": 0}, {"shots": (3, 2)}):
        with pytest.raises(SamplingError, match=next(iter(options))):
            EpisodeSampler(LABELS, **{"ways": 2, "shots": 1, "queries": 1, **options})


def encoded():
    rows = np.arange(96)
    lengths = 3 + rows % 20
    mask = (np.arange(30) < lengths[:, None]).astype("int32")
    tokens = {"token_ids": mask * rows[:, None].astype("int32"), "padding_mask": mask}
    return EncodedCorpus(
        tokens, LABELS.astype("int32"), tuple("abcdefgh"), None, lengths
    )


def test_batches_follow_the_contract_and_are_cropped():
    dataset = episode_dataset(
        encoded(), ways=3, shots=2, queries=4, tasks_per_batch=2, steps=6
    )
    assert len(list(dataset)) == 6
    for x, y in dataset:
        length = x["support_inputs"]["token_ids"].shape[2]
        assert length in (8, 12, 16, 24)
        assert x["support_inputs"]["padding_mask"].shape == (2, 6, length)
        assert x["query_inputs"]["token_ids"].shape == (2, 12, length)
        assert x["support_targets"].shape == (2, 6)
        assert y.shape == (2, 12)
        # Nothing but padding is cropped: the first token carries the row's number.
        rows = x["query_inputs"]["token_ids"][..., 0].numpy()
        kept = x["query_inputs"]["padding_mask"].numpy().sum(-1)
        np.testing.assert_array_equal(kept, 3 + rows % 20)


def test_a_stream_resumes_where_it_stopped():
    options = {"ways": 3, "shots": 2, "queries": 2, "seed": 4}
    whole = list(episode_dataset(encoded(), steps=5, **options))
    rest = list(episode_dataset(encoded(), steps=2, start_step=3, **options))
    for (x, y), (again, labels) in zip(whole[3:], rest, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, x, again)
        np.testing.assert_array_equal(y, labels)


def uneven():
    labels = np.array([0] * 6 + [1] * 6 + [2] * 2, "int32")
    rows = np.arange(14, dtype="float32")[:, np.newaxis]
    return EncodedCorpus(rows, labels, ("open", "shut", "odd"))


def test_small_classes_are_left_out_and_counted():
    shape = {"ways": 2, "shots": 2, "queries": 2, "steps": 3}
    with pytest.warns(UserWarning, match="1 of 3 classes .* left out: 'odd'"):
        dataset = episode_dataset(uneven(), **shape)
    for x, _ in dataset:
        assert x["support_inputs"].numpy().max() < 12
    with pytest.raises(SamplingError, match="'odd' has 2 rows"):
        episode_dataset(uneven(), **shape, drop_small_classes=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        episode_dataset(uneven(), **shape, drop_small_classes=True)


def test_a_stream_without_steps_says_that_it_never_ends():
    shape = {"ways": 2, "shots": 2, "queries": 2, "drop_small_classes": True}
    endless = episode_dataset(uneven(), **shape)
    assert endless.cardinality() == tf.data.INFINITE_CARDINALITY
    assert len(list(endless.take(3))) == 3
    assert len(episode_dataset(uneven(), **shape, steps=4)) == 4


def test_every_text_is_tokenised_once():
    seen = []

    def preprocessor(texts):
        seen.extend(texts)
        mask = np.ones((len(texts), 6), "int32")
        numbers = np.array([int(text.split()[1]) for text in texts])
        return {"token_ids": mask * numbers[:, np.newaxis], "padding_mask": mask}

    texts = tuple(f"text {i}" for i in range(1200))
    corpus = Corpus(texts, tuple("ab" * 600))
    data = encode_corpus(corpus, preprocessor)
    list(episode_dataset(data, ways=2, shots=2, queries=2, steps=20))
    assert tuple(seen) == texts


def test_infinite_inputs_are_refused():
    inputs = np.ones((4, 2), "float32")
    inputs[2, 1] = np.inf
    with pytest.raises(ValueError, match="example 2"):
        EncodedCorpus(inputs, np.zeros(4, "int32"), ("a",))
