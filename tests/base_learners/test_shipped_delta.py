"""The delta inside the package: small, documented, and for the default encoder."""

import importlib.metadata
import json

import numpy as np
import pytest

from maml_tf.base_learners import create_text_encoder
from maml_tf.base_learners.delta import FOLDER, Delta, shipped_deltas
from maml_tf.base_learners.presets import DEFAULT_PRESET
from maml_tf.evaluation.seen import seen_by, shipped_delta


def has_wheel():
    try:
        importlib.metadata.distribution(DEFAULT_PRESET.removeprefix("wheel:"))
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def test_it_is_small_and_its_card_tells_what_it_was_made_of():
    [path] = shipped_deltas().values()
    assert path.stat().st_size < 3e6
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert card == Delta.load(path).card
    assert card["base"]["preset"] == DEFAULT_PRESET
    assert all(corpus["source"] for corpus in card["corpora"])
    assert "CC BY" in card["corpora"][0]["source"]
    assert card["command"].startswith("python -m training.pretrain")
    scores = card["validation"]
    assert scores["as a delta"]["score"] > scores["base encoder"]["score"] + 0.005


def test_it_knows_every_class_it_has_seen():
    delta = shipped_delta()
    classes = sum(corpus["classes"] for corpus in delta.card["corpora"])
    # A text or a name that two corpora share is counted once.
    texts = sum(corpus["texts"] for corpus in delta.card["corpora"])
    assert 0.95 * texts < len(delta.seen_texts) <= texts
    assert 0.95 * classes < len(delta.seen_classes) <= classes


def test_its_training_corpora_are_recognised(data_dir):
    from maml_tf.episodes import read_corpus

    for name in ("BANKING77", "OOS"):
        path = data_dir / "fewshot_intent_5fold" / name / "full.jsonl"
        overlap = seen_by(shipped_delta(), read_corpus(f"jsonl:{path}"))
        assert len(overlap.rows) == overlap.size
        assert len(overlap.classes) == overlap.class_count


def test_a_corpus_of_another_kind_is_new_to_it():
    from maml_tf.episodes import read_corpus

    overlap = seen_by(shipped_delta(), read_corpus("home_assistant_intents:en"))
    assert not overlap.is_leak


@pytest.mark.skipif(not has_wheel(), reason=f"needs the {DEFAULT_PRESET}")
def test_the_default_encoder_starts_from_it():
    texts = ["my card has not come", "where is the card I ordered", "play some jazz"]
    default = create_text_encoder(normalize=True)
    base = create_text_encoder(normalize=True, pretrained="base")
    tokens = default.preprocessor(texts)
    ours, plain = (np.asarray(m(tokens)) for m in (default, base))
    cosines = (ours * plain).sum(axis=1)
    # A small step from the base encoder, and not none.
    assert cosines.min() > 0.7 and cosines.max() < 0.999
    assert ours[0] @ ours[1] > ours[0] @ ours[2] + 0.3


def test_nothing_else_lies_in_its_folder():
    assert {p.suffix for p in FOLDER.iterdir()} == {".npz", ".json"}
