"""Bots of CLINC150: what they are taught, asked and calibrated by."""

import json
from dataclasses import replace

import numpy as np
import pytest

from maml_tf.episodes import CorpusError
from training.research.intents.bots import BotTexts, bots_measures
from training.research.intents.clinc import Clinc
from training.research.intents.fold_learners import Benchmark


def texts(classes=6, rows=8, noise=0.4):
    random = np.random.default_rng(0)
    centres = random.normal(size=(classes, 5))
    labels = np.repeat([f"intent {n}" for n in range(classes)], rows)

    def draw(centres):
        vectors = centres + noise * random.normal(size=(len(centres), 5))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    each = np.repeat(np.arange(classes), rows)
    outside = draw(random.normal(size=(40, 5)))
    return BotTexts(draw(centres[each]), labels, draw(centres[each]), labels, outside)


def test_bots_of_more_examples_and_fewer_intents_know_more():
    both = (texts(), texts())
    one, five, fewer = (
        np.mean([bot["accuracy"] for bot in bots_measures(*both, shots, 20, **options)])
        for shots, options in (
            (1, {"seed": 0}),
            (5, {"seed": 0}),
            (1, {"seed": 0, "ways": 2}),
        )
    )
    assert one < five and one < fewer
    assert len(bots_measures(*both, 1, 7, seed=0)) == 7
    again = bots_measures(*both, 1, 3, seed=4)
    assert again == bots_measures(*both, 1, 3, seed=4)
    assert again != bots_measures(*both, 1, 3, seed=5)


def test_a_name_is_one_more_example_of_its_intent():
    plain = texts(noise=0.8)
    centres = {
        name: plain.query[plain.query_labels == name].mean(axis=0)
        for name in np.unique(plain.query_labels)
    }
    wrong = dict(zip(centres, np.roll(list(centres.values()), 1, axis=0), strict=True))
    without, right, misled = (
        np.mean([b["accuracy"] for b in bots_measures(side, side, 1, 9, seed=0)])
        for side in (plain, replace(plain, names=centres), replace(plain, names=wrong))
    )
    assert right > without + 0.02 and misled < without - 0.02


def test_a_row_without_its_domain_is_named(tmp_path):
    path = tmp_path / "clinc150.jsonl"
    row = {"text": "hi", "label": "greet", "split": "train", "domain": "small talk"}
    path.write_text(json.dumps(row) + "\n" + '{"text": "hi", "split": "train"}')
    with pytest.raises(CorpusError, match=r"line 2, has no label and no domain"):
        Clinc(path, Benchmark("scratch", tmp_path))
