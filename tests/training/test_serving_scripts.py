"""The command lines around an export: serving it, timing it, making it smaller."""

import json
import re
import signal
import subprocess

import numpy as np
import pytest
from script_runs import ROOT, command, run
from serving.small_exports import (
    LABELS,
    QUERIES,
    SUPPORT,
    exports,
    language_export,
)

from maml_tf.serving import Client

SMALL = "scratch:num_layers=1,hidden_dim=16,num_heads=2"


@pytest.fixture(scope="module")
def addresses():
    folder = exports("prototypical").folder.parent
    flags = (f"--saved_model={folder}", "--rest_port=0", "--grpc_port=0")
    process = subprocess.Popen(
        command("serve", *flags), cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        found = re.search(r"(http://\S+), gRPC on (\S+)", process.stdout.readline())
        yield found.group(1), f"grpc://{found.group(2)}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()


def test_the_served_folder_answers_like_the_folder_itself(addresses):
    expected = Client(exports("prototypical").folder).classify(SUPPORT, LABELS, QUERIES)
    for address in addresses:
        with Client(address, "prototypical") as client:
            answers = client.classify(SUPPORT, LABELS, QUERIES)
        assert answers.intents == expected.intents
        np.testing.assert_allclose(
            answers.probabilities, expected.probabilities, atol=1e-5
        )


@pytest.mark.parametrize(
    ("script", "flags", "message"),
    [
        ("serve", ["--saved_model=nowhere"], "nowhere"),
        ("export", ["--model_dir=nowhere", "--export_dir=x"], "train a model there"),
        (
            "compare_precisions",
            ["--model_dir=nowhere", "--results=x"],
            "train a model there",
        ),
    ],
)
def test_a_folder_that_holds_nothing_is_refused_in_one_sentence(script, flags, message):
    done = run(script, *flags)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_serving_benchmark_runs_at_toy_sizes(tmp_path):
    path = tmp_path / "serving.json"
    done = run(
        "benchmark_serving",
        f"--base_learner={SMALL}",
        "--targets=disk,rest",
        "--clients=1,2",
        "--requests=4",
        "--repeats=2",
        "--tenants=3",
        f"--results={path}",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(path.read_text())
    assert found["predict_over_bare_encoder"] > 0
    rows = {(r["target"], r["call"], r["clients"]) for r in found["load"]}
    calls = ("predict", "adapt", "classify")
    assert rows == {(t, c, n) for t in ("disk", "rest") for c in calls for n in (1, 2)}
    assert all(row["p50"] <= row["p99"] for row in found["load"])
    assert path.with_suffix(".png").stat().st_size > 0


def test_learning_many_sentences_is_timed_beside_the_bare_encoder(tmp_path):
    corpus, path = tmp_path / "corpus.jsonl", tmp_path / "speed.json"
    rows = [{"text": f"words {'so ' * (n % 7)}{n}", "label": n % 5} for n in range(60)]
    corpus.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    done = run(
        "embedding_speed",
        f"--corpus=jsonl:{corpus}",
        f"--base_learner={SMALL}",
        *("--sentences=20", "--repeats=2", f"--results={path}"),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(path.read_text())
    assert found["sentences"] == 20
    assert set(found["seconds"]) >= {"adapt", "Embedder", "bare encoder, 32 at a time"}
    assert found["ratios"]["adapt to the fastest bare encoder"] > 0
    assert "20 sentences" in done.stdout


def test_servers_under_load_answer_all_and_end_in_order(tmp_path):
    path = tmp_path / "load.json"
    done = run(
        "serving_load",
        f"--saved_model={exports('prototypical').folder.parent}",
        f"--language_model={language_export().folder.parent}",
        *("--clients=8", "--seconds=4", "--memory_seconds=1"),
        # Of REST more than waitress by itself has connections.
        *("--slow=120", "--silent=100"),
        f"--results={path}",
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    found = json.loads(path.read_text())
    assert found["errors"] == 0 and found["exit_status"] == [0, 0]
    assert found["held_connections_opened"] >= 220
    kinds = ("predict", "classify", "adapt", "adapt_dialogues", "generate")
    assert all(found["milliseconds"][kind]["count"] > 0 for kind in kinds)
    assert found["faulty_refused"] >= found["faults_tried"] > 0
    assert all(1 < seconds < 60 for seconds in found["seconds_to_exit"])
    assert len(found["memory_mib"]) >= 5
