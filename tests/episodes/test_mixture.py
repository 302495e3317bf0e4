"""Tasks out of several corpora: balanced, reproducible, mixed as asked for."""

import numpy as np
import pytest

from maml_tf.episodes.mixture import CorpusMixture
from maml_tf.episodes.sampler import SamplingError

# A large corpus of twelve classes beside a small one of three.
LABELS = np.concatenate([np.repeat(np.arange(12), 9), np.repeat(np.arange(12, 15), 4)])
CORPORA = np.repeat([0, 1], [108, 12])


def mixture(**options):
    return CorpusMixture(LABELS, CORPORA, **{"ways": 6, "examples": 3, **options})


def test_rows_are_of_their_class_and_none_stands_twice():
    for index in range(20):
        task = mixture(mixed_share=0.5).sample(index)
        assert (LABELS[task.rows] == task.classes[:, None]).all()
        assert len(np.unique(task.rows)) == task.rows.size
        assert len(set(task.classes.tolist())) == len(task.classes)


def test_each_corpus_gives_as_many_tasks_as_another():
    drawn = [CORPORA[mixture().sample(i).rows[:, 0]] for i in range(10)]
    assert all(len(set(corpora.tolist())) == 1 for corpora in drawn)
    assert [int(corpora[0]) for corpora in drawn] == [0, 1] * 5
    # The small corpus has three classes to give, and not six.
    assert [len(corpora) for corpora in drawn] == [6, 3] * 5


def test_mixed_tasks_take_the_same_number_of_classes_from_each():
    for index in range(10):
        corpora = CORPORA[mixture(mixed_share=1.0).sample(index).rows[:, 0]]
        assert np.bincount(corpora).tolist() == [3, 3]


def test_a_task_is_a_function_of_seed_and_number():
    one, two, other = (mixture(seed=s).sample(4).rows for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert one.shape != other.shape or (one != other).any()


def test_confusable_tasks_are_drawn_from_neighbours():
    # Classes on a line: the nearest eight of any stand within eight places of it.
    places = np.arange(15)
    near = -np.abs(places[:, None] - places).astype("float32")
    for index in range(0, 20, 2):
        options = {"ways": 4, "confusable_share": 1.0, "similarities": near}
        classes = mixture(**options).sample(index).classes
        assert len(set(classes.tolist())) == 4
        assert classes.max() - classes.min() < 8


def test_classes_that_are_held_out_are_never_drawn():
    labels = np.where(LABELS < 6, -1, LABELS)
    held = CorpusMixture(labels, CORPORA, ways=6, examples=3, mixed_share=0.5)
    drawn = np.concatenate([held.sample(i).classes for i in range(20)])
    assert drawn.min() == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"examples": 5}, "Corpus 2 has 0 classes with 5 rows"),
        ({"mixed_share": 1.5}, "mixed_share=1.5"),
        ({"confusable_share": 0.5}, "similarities"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, message):
    with pytest.raises(SamplingError, match=message):
        mixture(**options)
