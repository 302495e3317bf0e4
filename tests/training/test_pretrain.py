"""Meta-training over several corpora, and the delta that comes of it."""

import json

import numpy as np
import pytest
from kills import KillAt, Killed
from script_runs import run

from maml_tf.base_learners import create_text_encoder
from maml_tf.base_learners.delta import Delta
from maml_tf.base_learners.split_encoder import UpperEncoder, lower_states
from maml_tf.episodes import CorpusError, read_corpus
from maml_tf.evaluation.seen import refuse_seen, seen_by
from training.common import joint_training
from training.common.joint_corpora import read_jointly
from training.common.joint_settings import PretrainSettings
from training.common.joint_training import train_jointly
from training.common.run import Run

BASE = "scratch:num_layers=1,hidden_dim=16,num_heads=2"
WORDS = [
    "red",
    "green",
    "blue",
    "black",
    "white",
    "brown",
    "pink",
    "grey",
    "cyan",
    "gold",
]
SMALL = (
    f"--base_learner={BASE}",
    "--steps=4",
    "--validate_every=2",
    "--validation_episodes=4",
    "--ways=4",
    "--examples=3",
    "--name_share=0.3",
    "--learning_rate=0.01",
    "--sequence_length=16",
    "--seed=3",
    "--rank=2",
)


@pytest.fixture
def corpora(tmp_path):
    paths = []
    for verb in ("paint", "wash"):
        rows = [
            {"text": f"{verb} {number} {word}", "label": f"{verb}_{word}"}
            for word in WORDS
            for number in range(12)
        ]
        path = tmp_path / f"{verb}.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        paths.append(f"jsonl:{path}")
    return paths


def test_several_corpora_make_a_delta_with_a_card(tmp_path, corpora):
    output = tmp_path / "made.npz"
    flags = [f"--corpus={c}" for c in corpora]
    sources = ["--source=Painters, CC BY 4.0", "--source=Washers, MIT"]
    place = (f"--output={output}", f"--work_dir={tmp_path / 'work'}")
    done = run("pretrain", *flags, *sources, *SMALL, *place)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "with delta" in done.stdout
    card = json.loads((tmp_path / "made.json").read_text(encoding="utf-8"))
    assert [c["source"] for c in card["corpora"]] == [s[9:] for s in sources]
    assert [c["texts"] for c in card["corpora"]] == [120, 120]
    assert card["settings"]["seed"] == 3 and "--rank=2" in card["command"]
    steps = [row["step"] for row in card["validation"]["history"]]
    assert steps[:3] == [0, 2, 4]
    options = {"sequence_length": 16, "seed": 3}
    base = create_text_encoder(BASE, pretrained="base", **options)
    trained = create_text_encoder(BASE, pretrained=str(output), **options)
    tokens = base.preprocessor(["paint 3 red"])
    best = card["validation"]["meta-trained"]
    changed = np.abs(base(tokens).numpy() - trained(tokens).numpy()).max() > 1e-4
    assert changed == (best["step"] > 0)
    # Both corpora, held-out classes included, are known to the delta.
    delta = Delta.load(output)
    for corpus in corpora:
        overlap = seen_by(delta, read_corpus(corpus))
        assert len(overlap.rows) == 120 and len(overlap.classes) == 10
        with pytest.raises(CorpusError, match="was seen in the meta-training"):
            refuse_seen(read_corpus(corpus), delta=delta)


SETTINGS = PretrainSettings(
    steps=4,
    validate_every=2,
    validation_episodes=4,
    ways=4,
    examples=3,
    learning_rate=0.01,
    name_share=0.3,
    averaging=0.5,
)


@pytest.fixture
def train(corpora):
    joint = read_jointly(corpora, seed=3)

    def train(folder, *callbacks):
        """As a new process does: from the base weights and what the folder holds."""
        options = {"sequence_length": 16, "seed": 3, "trainable_embeddings": False}
        encoder = create_text_encoder(BASE, normalize=True, dropout=0.2, **options)
        upper = UpperEncoder(encoder)
        states = lower_states(upper, encoder.preprocessor(list(joint.texts)))
        with Run(folder, SETTINGS) as run:
            trained = train_jointly(run, upper, states, joint, SETTINGS, callbacks)
        return trained, upper.get_weights()

    return train


def test_killed_anywhere_it_ends_at_the_same_numbers(tmp_path, train, monkeypatch):
    judged = []

    def rising(upper, *rest):
        """Weights grow with every step and beyond, and so does the score."""
        judged.append(sum(float(np.square(w).sum()) for w in upper.get_weights()))
        return {"score": judged[-1]}

    monkeypatch.setattr(joint_training, "validate", rising)
    monkeypatch.setattr("training.common.loop.SECONDS_BETWEEN_CHECKPOINTS", -1)
    whole, weights = train(tmp_path / "whole")
    assert [row["step"] for row in whole.rows] == [0, 2, 4, 4, 4, 4]
    assert len(set(judged)) == len(judged) == 6 and whole.kept["share"] == 1.25

    def dies(upper, *rest):
        if len(judged) == 5:
            raise Killed
        return rising(upper, *rest)

    judged.clear()
    with pytest.raises(Killed):
        train(tmp_path / "parts", KillAt(3))
    monkeypatch.setattr(joint_training, "validate", dies)
    with pytest.raises(Killed):
        train(tmp_path / "parts")
    monkeypatch.setattr(joint_training, "validate", rising)
    again, same = train(tmp_path / "parts")
    assert again.rows == whole.rows and again.kept == whole.kept
    for one, two in zip(weights, same, strict=True):
        np.testing.assert_array_equal(one, two)
    # Nothing is judged twice, and a finished training is read back.
    assert len(judged) == 6
    assert train(tmp_path / "parts")[0] == again and len(judged) == 6


def test_classes_are_held_out_of_every_corpus(corpora):
    joint = read_jointly(corpora, validation_share=0.1, seed=1)
    labels = joint.training_labels()
    for number in (0, 1):
        rows = joint.validation_rows(number)
        assert len(set(joint.labels[rows].tolist())) == 5
        assert set(joint.corpus_of[rows].tolist()) == {number}
        assert (labels[rows] == -1).all()
    trained = labels[labels >= 0]
    assert len(trained) == 120 and not joint.held_out[trained].any()
    # The names are rows of their own that no task draws as examples.
    assert joint.texts[joint.name_rows[0]] == "paint black"
    assert (labels[joint.name_rows] == -1).all()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--output=made.txt"], "has to end in .npz"),
        (["--output=made.npz", "--source=A"], "1 times and --corpus 2 times"),
        (["--output=made.npz", "--mixed_share=2"], "has to be from 0 to 1"),
        (["--output=made.npz", "--corpus=jsonl:nothing.jsonl"], "nothing.jsonl"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(corpora, flags, message):
    done = run("pretrain", *(f"--corpus={c}" for c in corpora), *flags)
    assert done.returncode != 0 and message in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
