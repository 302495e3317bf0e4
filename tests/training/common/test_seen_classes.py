"""No class is called new that a run has seen, by whatever way it comes."""

import json

import pytest

from maml_tf.episodes import Corpus, CorpusError, split_classes
from training.common.run import RunError
from training.common.seen_classes import (
    CLASSES,
    record_classes,
    seen_by_run,
    unseen_part,
)

CORPUS = Corpus(
    tuple(f"{word} number {i}" for word in "abcdefghij" for i in range(3)),
    tuple(word.upper() for word in "abcdefghij" for i in range(3)),
)


@pytest.fixture
def split():
    return split_classes(CORPUS, seed=0)


@pytest.fixture
def seen(tmp_path, split):
    identity = {"content": {"corpus": CORPUS.digest()}}
    (tmp_path / "config.json").write_text(json.dumps({"identity": identity}))
    record_classes(tmp_path, {"train": split.train, "validation": split.validation})
    return seen_by_run(tmp_path)


def test_the_runs_own_test_classes_are_new(split, seen):
    judged = unseen_part(split.test, seen, corpus_digest=CORPUS.digest())
    assert judged.corpus is split.test and judged.seen == ()


@pytest.mark.parametrize("seed", [1, 3, 4, 5])
def test_another_split_of_the_same_corpus_is_refused(split, seen, seed):
    other = split_classes(CORPUS, seed=seed).test
    known = set(other.classes) - set(split.test.classes)
    assert known, "the case is of no use"
    with pytest.raises(CorpusError, match="Leave --class_split") as refused:
        unseen_part(other, seen, corpus_digest=CORPUS.digest())
    assert f"{len(known)} of the {len(other.classes)} classes" in str(refused.value)
    left = [name for name in other.classes if name in split.test.classes]
    if left:
        judged = unseen_part(
            other, seen, corpus_digest=CORPUS.digest(), policy="leave_out"
        )
        assert list(judged.corpus.classes) == left
    labelled = unseen_part(other, seen, corpus_digest=CORPUS.digest(), policy="label")
    assert set(labelled.seen) == known and labelled.corpus is other


def test_the_same_texts_under_other_labels_are_seen(split, seen):
    """In another case, with other blanks, in another corpus."""
    texts = tuple(text.upper().replace(" ", "  ") for text in split.train.texts)
    renamed = Corpus(texts, tuple(f"{label}-new" for label in split.train.labels))
    with pytest.raises(CorpusError, match="whose classes are new"):
        unseen_part(renamed, seen, corpus_digest=renamed.digest())
    one = Corpus(("something else", split.validation.texts[0]), ("x", "y"))
    with pytest.raises(CorpusError, match=r"1 of the 2 classes to judge on .*: y"):
        unseen_part(one, seen, corpus_digest=one.digest())
    judged = unseen_part(one, seen, corpus_digest="", policy="leave_out")
    assert judged.corpus.classes == ("x",)


def test_the_same_label_in_another_corpus_is_seen(split, seen):
    label = split.train.classes[0]
    other = Corpus(("a text of its own", "and another"), (label, "new"))
    with pytest.raises(CorpusError, match=f"1 of the 2 classes .*: {label}"):
        unseen_part(other, seen, corpus_digest=other.digest())
    with pytest.raises(CorpusError, match="All 1 classes"):
        unseen_part(other.select([label]), seen, corpus_digest="", policy="leave_out")


def test_a_corpus_that_grew_is_another_one(split, seen):
    """Even where its test classes are new: the labels moved with the split."""
    grown = Corpus((*CORPUS.texts, "x 1", "x 2"), (*CORPUS.labels, "AA", "AA"))
    test = split_classes(grown, seed=0).test
    known = set(test.classes) & {*split.train.classes, *split.validation.classes}
    assert known, "the case is of no use"
    with pytest.raises(CorpusError, match="or it has changed since"):
        unseen_part(test, seen, corpus_digest=grown.digest())


def test_contradictory_texts_of_the_own_corpus_are_left_out(tmp_path, capsys):
    texts = ("yes", "sure", "Yes", "no", "never")
    whole = Corpus(texts, ("a", "a", "b", "b", "b"))
    identity = {"content": {"corpus": whole.digest()}}
    (tmp_path / "config.json").write_text(json.dumps({"identity": identity}))
    record_classes(tmp_path, {"train": whole.select(["a"])})
    seen = seen_by_run(tmp_path)
    judged = unseen_part(whole.select(["b"]), seen, corpus_digest=whole.digest())
    assert judged.corpus.texts == ("no", "never") and judged.seen == ()
    assert "1 texts that also stand under a class" in capsys.readouterr().out


@pytest.mark.parametrize("text", [None, "{", "[]", '{"train": 3}', '{"train": ["a"]}'])
def test_a_run_that_does_not_tell_is_not_judged(tmp_path, text):
    if text is not None:
        (tmp_path / CLASSES).write_text(text)
    with pytest.raises(RunError, match="does not tell which classes"):
        seen_by_run(tmp_path)
