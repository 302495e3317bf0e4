"""The intent benchmark on a small directory, killed half-way and gone on with."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import script_runs
from intent_corpora import write_colours

from maml_tf.base_learners.delta import Delta
from maml_tf.episodes import CorpusError, read_corpus, split_classes
from maml_tf.evaluation.seen import class_digests, digests
from training.common.result_rows import RUN
from training.research.intents.benchmark_rows import COLUMNS, means, tables
from training.research.intents.intent_data import fold_names, refuse_seen_folds


@pytest.fixture(scope="module")
def dataset_dir(tmp_path_factory):
    return write_colours(tmp_path_factory.mktemp("data"))


def command(folder, out, *more):
    return [
        sys.executable,
        "-m",
        "training.intent_benchmark",
        f"--dataset_dir={folder}",
        "--base_learner=scratch:num_layers=2,hidden_dim=8,num_heads=2",
        "--first_layer=1",
        "--encoder_steps=3",
        "--projection_steps=3",
        "--episodes=10",
        f"--results={out}/rows.json",
        f"--work_dir={out}/work",
        *more,
    ]


def run(arguments):
    return script_runs.run("intent_benchmark", *arguments[3:])


def test_rows_table_chart_and_going_on_after_a_kill(dataset_dir, tmp_path):
    name = "encoder_with_names"
    arguments = command(dataset_dir, tmp_path, f"--learners={name}", "--test_ways=3")
    process = subprocess.Popen(
        arguments,
        cwd=script_runs.ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    results = tmp_path / "rows.json"
    for _ in range(1500):
        if results.is_file() or process.poll() is not None:
            break
        time.sleep(0.2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = json.loads(results.read_text())
    assert 0 < len(before) < 8 + 4
    done = run(arguments)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads(results.read_text())
    single = [row for row in rows if row["fold"] != "mean"]
    assert len(single) == 2 * 2 * 2 and len(rows) == len(single) + 2 * 2
    assert [tuple(row) for row in rows] == [(*COLUMNS, RUN)] * len(rows)
    assert {row["learner"] for row in rows} == {"frozen", name}
    assert all(0 <= row["accuracy"] <= 1 and row["ci95"] >= 0 for row in rows)
    kept = {(r["fold"], r["learner"], r["shots"]): r for r in single}
    for row in before:
        if row["fold"] != "mean":
            assert kept[row["fold"], row["learner"], row["shots"]] == row
    table = (tmp_path / "rows.md").read_text()
    assert "10 test episodes of 3 ways and 5 queries a fold, seed 0" in table
    assert table.count("\n|") == 2 + 2
    assert (tmp_path / "rows.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--learners=unheard_of",), "unheard_of"),
        (("--folds=07",), "no fold 07"),
    ],
)
def test_flags_that_do_not_fit_are_refused(dataset_dir, tmp_path, flags, message):
    done = run(command(dataset_dir, tmp_path, *flags))
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert not (tmp_path / "work").exists()


def test_directories_that_are_no_data_set_are_refused(tmp_path, dataset_dir):
    with pytest.raises(CorpusError, match=r"has no full.jsonl and no folds.json"):
        fold_names(tmp_path)
    (tmp_path / "full.jsonl").write_text("{}")
    (tmp_path / "folds.json").write_text("[]")
    with pytest.raises(CorpusError, match="is not an object"):
        fold_names(tmp_path)
    assert fold_names(dataset_dir) == ("01", "02")


def test_test_classes_that_a_delta_has_seen_are_refused(dataset_dir):
    corpus = read_corpus(f"jsonl:{dataset_dir / 'full.jsonl'}")
    [first, second] = (
        split_classes(corpus, f"file:{dataset_dir / 'folds.json'}#{fold}")
        for fold in fold_names(dataset_dir)
    )
    card = {"name": "ours"}
    names = class_digests(set(first.train.classes) - set(second.test.classes))
    texts = digests(first.test.texts)
    refuse_seen_folds(dataset_dir, ["01"], Delta({}, card, digests([]), names))
    refuse_seen_folds(dataset_dir, ["01"], None)
    with pytest.raises(CorpusError, match="'ours': 44 of its 44 texts"):
        refuse_seen_folds(dataset_dir, ["01"], Delta({}, card, texts, names))


def row(fold, accuracy, shots, **changes):
    return {
        "dataset": "d",
        "fold": fold,
        "regime": "full",
        "learner": "frozen",
        "shots": shots,
        "accuracy": accuracy,
        "ci95": 0.3,
        "train_seconds": 4.0,
        "adapt_milliseconds": 2.0,
        "base_learner": "scratch",
        "pretrained": "base",
        "ways": 5,
        "queries": 5,
        "episodes": 10,
        "seed": 0,
        "judge_on": "test",
        **changes,
    }


def test_means_over_folds_against_a_hand_calculation():
    rows = [row("01", 0.5, 1), row("02", 0.7, 1), row("01", 0.9, 5)]
    found = means(rows)
    assert [(m["shots"], m["accuracy"]) for m in found] == [(1, 0.6), (5, 0.9)]
    assert found[0]["ci95"] == pytest.approx(0.3 / 2**0.5, abs=1e-5)
    table = tables(rows)
    assert "60.0 ± 21.2" in table and "90.0 ± 30.0" in table


def test_rows_of_two_protocols_are_no_one_mean_or_table():
    rows = [row("01", 0.5, 1), row("02", 0.7, 1, seed=1)]
    assert [m["accuracy"] for m in means(rows)] == [0.5, 0.7]
    text = tables(rows)
    assert text.count("| learner |") == 2 and "seed 1" in text


def test_rows_of_two_encoders_are_two_lines():
    rows = [row("01", 0.5, 1), row("01", 0.7, 1, pretrained="meta")]
    text = tables(rows)
    assert "| frozen, scratch base | 50.0" in text
    assert "| frozen, scratch meta | 70.0" in text
