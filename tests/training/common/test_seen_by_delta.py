"""A corpus that meta-training has seen is not judged on unnoticed."""

import numpy as np
import pytest

from maml_tf.base_learners.delta import Delta
from maml_tf.episodes import Corpus, CorpusError
from maml_tf.evaluation import seen
from maml_tf.evaluation.seen import class_digests, delta_of, digests
from training.common.seen_by_delta import tell_of_seen, unseen_by_delta
from training.common.seen_classes import Judged

CORPUS = Corpus(
    tuple(f"{name} {i}" for name in "abcd" for i in range(3)),
    tuple(f"class_{name}" for name in "abcd" for _ in range(3)),
)


def delta(texts, classes):
    card = {"base": {"preset": "wheel:base"}}
    return Delta({}, card, digests(texts), class_digests(classes))


def test_what_is_new_stays_as_it_is():
    judged = Judged(CORPUS)
    assert unseen_by_delta(judged, None, policy="refuse") is judged
    other = delta(["somewhere else"], ["another class"])
    assert unseen_by_delta(judged, other, policy="refuse") is judged


@pytest.mark.parametrize(
    ("delta_of_it", "known"),
    [
        (delta(["A 0", "b  1"], []), ("class_a", "class_b")),
        (delta([], ["Class A"]), ("class_a",)),
    ],
)
def test_what_was_seen_by_text_or_by_name(delta_of_it, known):
    judged = Judged(CORPUS, ("class_d",))
    with pytest.raises(CorpusError, match="was seen in the meta-training"):
        unseen_by_delta(judged, delta_of_it, policy="refuse")
    labelled = unseen_by_delta(judged, delta_of_it, policy="label")
    assert labelled.corpus is CORPUS and labelled.seen == (*known, "class_d")
    left = unseen_by_delta(judged, delta_of_it, policy="leave_out").corpus
    assert set(left.classes) == set(CORPUS.classes) - set(known)
    everything = delta(CORPUS.texts, [])
    with pytest.raises(CorpusError, match="All 4 classes"):
        unseen_by_delta(judged, everything, policy="leave_out")


def test_training_says_so_before_it_begins(capsys):
    assert not tell_of_seen(CORPUS, None)
    assert not tell_of_seen(CORPUS, delta(["somewhere else"], []))
    assert capsys.readouterr().out == ""
    assert tell_of_seen(CORPUS, delta(CORPUS.texts, []))
    assert "train from --pretrained=base" in capsys.readouterr().out


def test_which_delta_an_encoder_starts_from(tmp_path, monkeypatch):
    ours = delta(["x"], [])
    ours.card["format"], ours.card["base"]["fingerprint"] = 1, "f"
    ours.save(tmp_path / "ours.npz")
    monkeypatch.setattr(seen, "shipped_deltas", lambda: {"f": tmp_path / "ours.npz"})
    for preset, pretrained, expected in (
        (None, None, True),
        ("wheel:base", None, True),
        ("wheel:base", "meta", True),
        ("scratch", None, False),
        ("wheel:base", "base", False),
        ("scratch", str(tmp_path / "ours.npz"), True),
    ):
        found = delta_of(preset, pretrained)
        assert (found is not None) is expected
        assert found is None or np.array_equal(found.seen_texts, ours.seen_texts)
