"""What deltas are worth elsewhere: a row each, and none where they have been."""

import json

import pytest
from intent_corpora import write_colours
from script_runs import run

from maml_tf.base_learners import create_text_encoder
from maml_tf.base_learners.delta import Delta
from maml_tf.episodes import read_corpus
from maml_tf.evaluation.seen import class_digests, digests

BASE = "scratch:num_layers=1,hidden_dim=8,num_heads=2"


@pytest.fixture
def flags(tmp_path):
    folder = write_colours(tmp_path)
    corpus = read_corpus(f"jsonl:{folder / 'full.jsonl'}")
    base, other = (
        create_text_encoder(BASE, pretrained="base", seed=seed) for seed in (0, 1)
    )
    for name, texts in (("elsewhere", ()), ("here", corpus.texts)):
        Delta.between(
            base.backbone,
            other.backbone,
            rank=2,
            card={"name": name},
            seen_texts=digests(texts),
            seen_classes=class_digests([]),
        ).save(tmp_path / f"{name}.npz")
    return (
        f"--dataset_dir={folder}",
        f"--base_learner={BASE}",
        f"--work_dir={tmp_path / 'work'}",
        f"--results={tmp_path / 'rows.json'}",
        "--shots=0,2",
        "--episodes=6",
        "--folds=01",
    )


def test_a_row_for_each_encoder_that_has_not_seen_the_data_set(tmp_path, flags):
    deltas = [f"--delta={tmp_path / name}.npz" for name in ("elsewhere", "here")]
    done = run("transfer", *flags, *deltas)
    # Five ways are more than the four test classes of a fold.
    assert done.returncode != 0 and "5 ways need as many classes" in done.stderr
    done = run("transfer", *flags, *deltas, "--ways=4")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "seen in the meta-training of the delta 'here': 44 of its 44" in done.stdout
    rows = json.loads((tmp_path / "rows.json").read_text())
    places = [(row["encoder"], row["names"], row["shots"]) for row in rows]
    each = [(False, 2), (True, 0), (True, 2)]
    assert places == [
        (name, *place) for name in ("base", "elsewhere") for place in each
    ]
    assert len({row["accuracy"] for row in rows}) > 2
    assert "| colours | elsewhere, with names |" in (tmp_path / "rows.md").read_text()


def test_two_deltas_of_one_name_are_refused(tmp_path, flags):
    again = tmp_path / "again"
    again.mkdir()
    (again / "here.npz").write_bytes((tmp_path / "here.npz").read_bytes())
    deltas = (f"--delta={tmp_path / 'here.npz'}", f"--delta={again / 'here.npz'}")
    done = run("transfer", *flags, *deltas)
    assert done.returncode != 0 and "Two deltas have one name" in done.stderr
