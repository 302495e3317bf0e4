"""Streams of intents over made-up vectors: who forgets, who errs, who is corrected."""

import json

import numpy as np
import pytest

from maml_tf.episodes import Corpus, CorpusError
from training.research.streams.continual_report import write_report
from training.research.streams.learners import (
    FineTuned,
    Joint,
    NearestExample,
    OnlineMetaLearner,
    Stored,
    WithNames,
    herding,
)
from training.research.streams.measure import on_stream
from training.research.streams.stream import groups_of, make_stream
from training.research.streams.teaching import corrections, with_mistakes

INTENTS, ROWS, DIM = 12, 20, 48


@pytest.fixture(scope="module")
def corpus():
    labels = np.repeat([f"intent {n:02}" for n in range(INTENTS)], ROWS)
    texts = [f"text {n}" for n in range(len(labels))]
    return Corpus(texts=tuple(texts), labels=tuple(labels.tolist()), name="made up")


@pytest.fixture(scope="module")
def stream(corpus):
    random = np.random.default_rng(0)
    numbers = np.unique(corpus.labels, return_inverse=True)[1]
    vectors = random.normal(size=(INTENTS, DIM))[numbers]
    vectors = vectors + 1.4 * random.normal(size=vectors.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    groups = groups_of(corpus, None, 3, random)
    return make_stream(corpus, vectors, groups, examples=5, questions=6, random=random)


def test_nothing_is_taught_that_is_asked(stream):
    taught, asked = np.concatenate(stream.taught), np.concatenate(stream.asked)
    every = np.concatenate([taught, asked, stream.left])
    assert sorted(every) == list(range(INTENTS * ROWS))
    assert [len(group) for group in stream.groups] == [3, 3, 3, 3]
    for group, rows in zip(stream.groups, stream.taught, strict=True):
        assert np.bincount(stream.labels[rows])[group].tolist() == [5, 5, 5]


def test_those_who_store_forget_less_than_those_who_are_tuned(stream):
    found = {
        name: on_stream(make, stream)
        for name, make in {
            "stored": lambda: Stored(INTENTS),
            "herding": lambda: herding(INTENTS, 1),
            "tuned": lambda: FineTuned(INTENTS, DIM),
            "replay": lambda: FineTuned(INTENTS, DIM, memory=INTENTS),
            "meta": lambda: OnlineMetaLearner(INTENTS, DIM, seed=0, steps=2),
            "joint": lambda: Joint(INTENTS, DIM),
            "nearest": lambda: NearestExample(INTENTS),
        }.items()
    }
    assert found["stored"]["forgetting"] < found["tuned"]["forgetting"]
    assert found["replay"]["accuracy"] > found["tuned"]["accuracy"]
    assert found["herding"]["accuracy"] < found["stored"]["accuracy"]
    assert found["herding"]["megabytes"] == pytest.approx(
        INTENTS * DIM * 4e-6, abs=1e-3
    )
    for name in ("stored", "herding", "joint", "nearest"):
        assert found[name]["forward"] == 0  # what they learn of a group is its own
    for row in found.values():
        assert row["accuracy"] == row["curve"][-1]
        assert len(row["curve"]) == len(row["seconds"]) == 4


def test_joint_training_is_order_free_and_best_where_it_ends(stream):
    joint, once = Joint(INTENTS, DIM), Joint(INTENTS, DIM)
    for rows in stream.taught:
        joint.teach(stream.vectors[rows], stream.labels[rows])
    rows = np.concatenate(stream.taught)
    once.teach(stream.vectors[rows], stream.labels[rows])
    scores = joint.scores(stream.vectors), once.scores(stream.vectors)
    np.testing.assert_allclose(*scores, atol=1e-6)
    right = scores[0].argmax(axis=1) == stream.labels
    assert right[rows].mean() > right[np.concatenate(stream.asked)].mean()


@pytest.mark.parametrize("contradict", [False, True])
def test_what_mistakes_cost_and_the_guard_brings_back(stream, contradict):
    clean, spoilt = (
        with_mistakes(
            stream, share, contradict=contradict, random=np.random.default_rng(0)
        )
        for share in (0.0, 0.2)
    )
    assert spoilt["accuracy"] < clean["accuracy"]
    assert spoilt["guarded"] > spoilt["accuracy"]
    assert spoilt["pointed_out"] > 0.5 > 0.2 > spoilt["false_alarms"]


def test_corrections_are_mistakes_and_each_is_made_once(stream):
    points = corrections(stream, (0, 5, 10, 10_000), np.random.default_rng(0))
    assert [point["count"] for point in points] == [0, 5, 10]
    assert points[0]["corrections"] == points[0]["random"]
    asked = [point["asked"] for point in points]
    assert asked[0] == 0 and asked[2] > asked[1] >= 5 and asked[2] > 10
    assert points[2]["corrections"] > points[0]["corrections"]


def test_groups_of_a_file(corpus, tmp_path):
    path, random = tmp_path / "groups.json", np.random.default_rng(0)
    whole = {"a": list(corpus.classes[:4]), "b": list(corpus.classes[4:])}
    path.write_text(json.dumps(whole))
    assert sorted(map(len, groups_of(corpus, str(path), 1, random))) == [4, 8]
    path.write_text(json.dumps({"a": ["intent 00", "nothing"]}))
    with pytest.raises(CorpusError, match="each of the 12 intents of made up once"):
        groups_of(corpus, str(path), 1, random)
    path.write_text("[3")
    with pytest.raises(CorpusError, match="no JSON object of lists"):
        groups_of(corpus, str(path), 1, random)


def test_too_few_texts(corpus):
    vectors, random = np.zeros((INTENTS * ROWS, 2)), np.random.default_rng(0)
    groups = groups_of(corpus, None, 3, random)
    with pytest.raises(CorpusError, match="has 20 texts; 15 examples and 6 questions"):
        make_stream(corpus, vectors, groups, examples=15, questions=6, random=random)


def test_the_report(stream, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    place = {"corpus": "made up", "examples": 5}
    row = on_stream(lambda: Stored(INTENTS), stream)
    points = corrections(stream, (0, 5), np.random.default_rng(0))
    rows = [
        {**place, "kind": "stream", "method": "f stored", **row},
        {**place, "kind": "corrections", "method": "bot", "points": points},
        {**place, "kind": "time", "method": "bot", "seconds_at_16": 0.0123},
    ]
    write_report(rows, tmp_path / "found.json")
    text = (tmp_path / "found.md").read_text()
    assert text == capsys.readouterr().out
    assert f"| made up | 5 | f stored | {100 * row['accuracy']:.1f} |" in text
    assert "takes 0.012 s as intent 16." in text
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")


def test_a_name_is_one_more_example_of_its_intent_and_taught_once(stream):
    names = np.roll(np.eye(DIM), 3, axis=0)[: stream.intents]
    named, plain = WithNames(Stored(stream.intents), names), Stored(stream.intents)
    rows = np.concatenate([stream.taught[0], stream.taught[1]])
    vectors, labels = stream.vectors[rows], stream.labels[rows]
    intents = np.unique(labels)
    plain.teach(np.concatenate([vectors, names[intents]]), np.append(labels, intents))
    for part in np.array_split(np.arange(len(rows)), 3):  # intents met more than once
        named.teach(vectors[part], labels[part])
    asked = stream.vectors[stream.asked[1]]
    np.testing.assert_allclose(named.scores(asked), plain.scores(asked))
    assert named.held() == plain.held() == (len(rows) + len(intents)) * DIM


def test_names_of_a_stream_stand_in_the_order_of_arrival(corpus):
    random = np.random.default_rng(1)
    groups = groups_of(corpus, None, 3, random)
    vectors = random.normal(size=(len(corpus.texts), DIM))
    names = {
        intent: np.full(DIM, number) for number, intent in enumerate(corpus.classes)
    }
    options = {"examples": 5, "questions": 6, "random": random}
    found = make_stream(corpus, vectors, groups, names=names, **options)
    order = [intent for group in groups for intent in group]
    assert found.names[:, 0].tolist() == [corpus.classes.index(name) for name in order]
