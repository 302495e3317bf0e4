"""The command lines, run as a user runs them."""

import json
import subprocess
import sys

import pytest
from script_runs import ROOT, run

SMALL = (
    "--base_learner=scratch:num_layers=1,hidden_dim=16,num_heads=2",
    "--ways=2",
    "--shots=2",
    "--queries=2",
    "--seed=1",
)
TRAIN = (
    *SMALL,
    "--steps=4",
    "--validate_every=2",
    "--validation_episodes=4",
    "--tasks_per_batch=2",
    "--sequence_length=16",
    "--meta_learning_rate=0.001",
)


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.jsonl"
    words = "red green blue black white brown pink grey cyan gold"
    rows = [
        {"text": f"{word} {number} {word}", "label": word}
        for word in words.split()
        for number in range(8)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return f"--corpus=jsonl:{path}"


def test_train_resume_evaluate_export_and_predict(tmp_path, corpus):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    done = run("train", corpus, *TRAIN, f"--output_dir={whole}")
    assert done.returncode == 0, done.stderr[-2000:]
    for name in ("config.json", "model.keras", "initial.keras", "curves.png"):
        assert (whole / name).stat().st_size > 0
    for steps in ("--steps=2", "--steps=4"):
        done = run("train", corpus, *TRAIN, steps, f"--output_dir={parts}")
        assert done.returncode == 0, done.stderr[-2000:]
    metrics = [(folder / "metrics.jsonl").read_text() for folder in (whole, parts)]
    assert metrics[0] == metrics[1]
    assert [json.loads(row)["step"] for row in metrics[0].splitlines()] == [0, 2, 4]
    # Done is done, and says so before it calibrates again.
    done = run("train", corpus, *TRAIN, f"--output_dir={parts}")
    assert done.returncode == 0 and "This run is finished" in done.stdout
    row = evaluate(whole, corpus, tmp_path / "results.json")
    # Nothing was said of the task, so it is the one that the run was trained for.
    assert (row["ways"], row["shots"], row["queries"], row["seed"]) == (2, 2, 2, 1)
    assert (row["split_seed"], row["classes_seen_in_training"]) == (1, 0)
    export_and_predict(whole, tmp_path)
    compare_precisions(whole, corpus, tmp_path / "precisions.json")


def test_a_learner_with_an_inner_loop(tmp_path, corpus):
    # Each inner step more traces for seconds.
    kind = ("--learner=maml", "--inner_steps=1", "--dtype_policy=mixed_bfloat16")
    folder, plot = tmp_path / "run", tmp_path / "steps.png"
    done = run("train", corpus, *kind, *TRAIN, f"--output_dir={folder}")
    assert done.returncode == 0, done.stderr[-2000:]
    results = tmp_path / "results.json"
    row = evaluate(folder, corpus, results, f"--inner_steps_plot={plot}")
    assert sorted(row["accuracy_by_inner_steps"], key=int)[:2] == ["0", "1"]
    assert plot.stat().st_size > 0
    done = run("evaluate", f"--model_dir={folder}", "--ways=4")
    assert done.returncode == 1 and "test 2 of 2" in done.stderr
    other = run("train", corpus, "--learner=anil", *TRAIN, f"--output_dir={folder}")
    assert "holds another run" in other.stderr
    model = folder / "model.keras"
    model.write_bytes(model.read_bytes()[:1000])
    done = run("evaluate", f"--model_dir={folder}")
    assert done.returncode != 0 and "truncated" in done.stderr


def evaluate(folder, corpus, results, *flags):
    flags = ("--episodes=6", f"--results={results}", *flags)
    done = run("evaluate", f"--model_dir={folder}", *flags)
    assert done.returncode == 0, done.stderr[-2000:]
    row = json.loads(results.read_text())
    assert f"--corpus={row['corpus']}" == corpus
    assert row["episodes"] == 6 and row["chance"] == 0.5
    assert 0 <= row["frozen_prototype_accuracy"] <= 1 and row["ci95"] >= 0
    return row


def export_and_predict(model_dir, tmp_path):
    exported = tmp_path / "exported"
    done = run("export", f"--model_dir={model_dir}", f"--export_dir={exported}")
    assert done.returncode == 0, done.stderr[-2000:]
    card = json.loads((exported / "1" / "model_card.json").read_text())
    fitted = json.loads((model_dir / "calibration.json").read_text())
    assert card["calibration"] == fitted and fitted["temperature"] > 0
    support, queries = tmp_path / "bot.csv", tmp_path / "questions.txt"
    support.write_text("text,label\nhello,greet\nhi you,greet\nso long,leave\n")
    queries.write_text("hello\n\nso long\n")
    asked = (f"--support=csv:{support}", f"--queries={queries}")
    done = run("predict", f"--saved_model={exported}", *asked)
    assert done.returncode == 0, done.stderr[-2000:]
    shown = done.stdout.splitlines()
    # The hint stands apart from the answers, and nothing of TensorFlow's log does.
    assert "maml-tf serve" in done.stderr and len(done.stderr.splitlines()) == 1
    results = tmp_path / "answers" / "all.json"
    done = run("predict", f"--saved_model={exported}", *asked, f"--results={results}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    rows = json.loads(results.read_text())
    assert [row["text"] for row in rows] == ["hello", "so long"]
    for row in rows:
        chances = row["probabilities"]
        assert sorted(chances) == ["greet", "leave"]
        assert sum(chances.values()) == pytest.approx(1, abs=1e-5)
        assert row["intent"] == max(chances, key=chances.get)
    for line, row in zip(shown, rows, strict=True):
        likeliest = f"{row['intent']}, {max(row['probabilities'].values()):.2f}"
        if row["in_scope"]:
            likeliest = likeliest.replace(", ", " (")
            assert line == f"{likeliest}): {row['text']}"
        else:
            assert line == f"not in scope (closest: {likeliest}): {row['text']}"
    support.write_text("text,label\nhello,greet\nhi you,greet\n")
    done = run("predict", f"--saved_model={exported}", *asked)
    assert done.returncode == 1 and "two intents or more" in done.stderr
    assert "Traceback" not in done.stderr


def compare_precisions(model_dir, corpus, results):
    flags = (corpus, *SMALL[1:], "--episodes=4", f"--results={results}")
    done = run("compare_precisions", f"--model_dir={model_dir}", *flags)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads(results.read_text())
    assert sorted(rows) == ["bfloat16", "float32", "int8"]
    sizes = [rows[name]["weight_bytes"] for name in ("int8", "bfloat16", "float32")]
    assert sizes == sorted(sizes)
    assert all(0 <= row["accuracy"] <= 1 for row in rows.values())


def test_other_episodes_of_the_same_classes_and_no_seen_ones(tmp_path, corpus):
    """--seed draws episodes; what divides the classes may not be changed unnoticed."""
    folder = tmp_path / "run"
    done = run("train", corpus, *TRAIN, "--steps=1", f"--output_dir={folder}")
    assert done.returncode == 0, done.stderr[-2000:]
    judge = ("evaluate", f"--model_dir={folder}", "--episodes=4")
    results = folder / "test.json"
    done = run(*judge, "--seed=7", f"--results={results}")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "classes never seen in training" in done.stdout
    row = json.loads(results.read_text())
    assert (row["seed"], row["split_seed"]) == (7, 1)
    done = run(*judge, "--split_seed=7")
    assert done.returncode == 1 and "were seen by" in done.stderr
    done = run(*judge, "--split_seed=7", "--seen_classes=label")
    assert done.returncode == 0 and "seen in training" in done.stdout
    assert "never seen in training" not in done.stdout
    # The corpus grows by a class; neither goes on as if nothing had happened.
    path = corpus.partition("jsonl:")[2]
    with open(path, "a") as file:
        file.write("".join(f'\n{{"text": "x {i}", "label": "a"}}' for i in range(8)))
    done = run(*judge)
    assert done.returncode == 1 and "or it has changed since" in done.stderr
    done = run("train", corpus, *TRAIN, f"--output_dir={folder}")
    assert done.returncode == 1
    assert "The class split and the corpus changed since the run" in done.stderr


def test_a_run_that_is_not_finished_is_not_exported(tmp_path, corpus):
    out, exported = tmp_path / "run", f"--export_dir={tmp_path / 'exported'}"
    for prepare, message in (
        (lambda: None, "does not exist; train a model there first"),
        (out.mkdir, "holds no run"),
        (
            lambda: (out / "config.json").write_text('{"identity": {}}'),
            "is not finished; give its training.train command again",
        ),
    ):
        prepare()
        done = run("export", f"--model_dir={out}", exported)
        assert done.returncode == 1 and message in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "exported").exists()


@pytest.mark.parametrize("script", ["train", "evaluate", "export"])
def test_help_needs_no_tensorflow(script):
    code = (
        f"import runpy, sys; sys.argv = ['{script}', '--help']\n"
        f"try: runpy.run_module('training.{script}', run_name='__main__')\n"
        "finally: sys.stderr.write(f'loaded {\"tensorflow\" in sys.modules}')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "loaded False" in done.stderr
    flags = {"train": "--corpus: --ways: --learner:", "evaluate": "--seen_classes:"}
    for flag in flags.get(script, "--export_dir:").split():
        assert flag in done.stdout


def test_a_corpus_that_is_too_small_is_refused_in_one_sentence(tmp_path, corpus):
    out = tmp_path / "out"
    done = run("train", corpus, *TRAIN, "--shots=7", f"--output_dir={out}")
    assert done.returncode == 1 and "train 0 of 6" in done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("\n") == 1
    assert not out.exists()
