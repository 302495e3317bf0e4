"""Sharing the tasks of a meta-step among devices, from the command line."""

import json
import os
import socket
import subprocess

import numpy as np
import pytest
from safetensors.numpy import load_file
from script_runs import ROOT, command, run

FLAGS = (
    "--learner=prototypical",
    "--base_learner=scratch:num_layers=1,hidden_dim=16,num_heads=2",
    "--ways=2",
    "--shots=1",
    "--queries=2",
    "--tasks_per_batch=4",
    "--steps=20",
    "--validate_every=5",
    "--validation_episodes=4",
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "rows.jsonl"
    rows = [
        {"text": f"{label} {word} {number}", "label": label}
        for label in "abcdefghijkl"
        for number, word in enumerate(("red", "green", "blue", "black", "white"))
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def flags_of(corpus, folder, strategy):
    return (
        f"--corpus=jsonl:{corpus}",
        *FLAGS,
        f"--output_dir={folder}",
        f"--strategy={strategy}",
    )


def start_workers(corpus, folder):
    """Two workers over loopback, who say who they are as TensorFlow wants it."""
    with socket.socket() as one, socket.socket() as two:
        for free in (one, two):
            free.bind(("127.0.0.1", 0))
        hosts = [f"127.0.0.1:{free.getsockname()[1]}" for free in (one, two)]
    return [
        subprocess.Popen(
            command("train", *flags_of(corpus, folder, "multi_worker")),
            cwd=ROOT,
            env={
                **os.environ,
                "TF_CONFIG": json.dumps(
                    {
                        "cluster": {"worker": hosts},
                        "task": {"type": "worker", "index": index},
                    }
                ),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]


def train(corpus, folder, strategy):
    done = run("train", *flags_of(corpus, folder, strategy))
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def alone(corpus, tmp_path_factory):
    """The weights, and what was measured, of one process on one device."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    train(corpus, folder, "none")
    return load_file(folder / "checkpoint.safetensors"), rows_of(folder)


def rows_of(folder):
    return [json.loads(row) for row in (folder / "metrics.jsonl").open()]


def assert_same(folder, alone):
    weights, rows = alone
    found = load_file(folder / "checkpoint.safetensors")
    assert found.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_allclose(found[name], array, atol=1e-5, err_msg=name)
    for here, there in zip(rows_of(folder), rows, strict=True):
        assert here == pytest.approx(there, abs=1e-5)


def test_two_devices_train_to_the_weights_of_one(corpus, tmp_path, alone):
    train(corpus, tmp_path / "run", "mirrored:2")
    assert_same(tmp_path / "run", alone)


def test_two_workers_one_of_them_killed(corpus, tmp_path, alone):
    """The other says so; started again, they end at the weights of one process."""
    folder = tmp_path / "run"
    one, two = start_workers(corpus, folder)
    for line in one.stdout:
        if line.startswith("step 5:"):
            break
    two.kill()
    two.wait()
    _, errors = one.communicate(timeout=200)
    assert one.returncode != 0
    assert "Another worker of this job has ended" in errors, errors[-2000:]
    assert "Traceback" not in errors
    for process in start_workers(corpus, folder):
        _, errors = process.communicate(timeout=280)
        assert process.returncode == 0, errors[-2000:]
    assert_same(folder, alone)
    # The first has written all, and the second nothing beside it.
    assert (folder / "model.keras").is_file() and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("strategy", "says"),
    [
        ("everywhere", "--strategy=everywhere is not known"),
        ("mirrored:1", "at least 2"),
        ("mirrored:3", "cannot be shared evenly among 3 devices"),
        ("mirrored", "shares tasks among GPUs, and there are 0"),
        ("multi_worker", "wants the variable TF_CONFIG of each process"),
    ],
)
def test_what_cannot_be_is_refused(corpus, tmp_path, strategy, says):
    done = run("train", *flags_of(corpus, tmp_path / "run", strategy))
    assert done.returncode != 0
    assert says in done.stderr
    assert not (tmp_path / "run").exists()
