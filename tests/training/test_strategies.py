"""Sharing the tasks of a meta-step among devices, from the command line."""

import json
import subprocess

import numpy as np
import pytest
from safetensors.numpy import load_file
from script_runs import ROOT, command, run

FLAGS = (
    "--learner=maml",
    "--base_learner=scratch:num_layers=1,hidden_dim=16,num_heads=2",
    "--inner_steps=1",
    "--ways=2",
    "--shots=1",
    "--queries=2",
    "--tasks_per_batch=4",
    "--steps=20",
    "--validate_every=20",
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


def test_two_devices_train_to_the_weights_of_one(corpus, tmp_path):
    found = []
    for strategy in ("none", "mirrored:2"):
        folder = tmp_path / strategy.partition(":")[0]
        # Devices are fixed before TensorFlow first runs, hence no forked process.
        done = subprocess.run(
            [
                *command("train", f"--corpus=jsonl:{corpus}", *FLAGS),
                f"--output_dir={folder}",
                f"--strategy={strategy}",
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        found.append(load_file(folder / "checkpoint.safetensors"))
    one, two = found
    assert one.keys() == two.keys()
    for name, array in one.items():
        np.testing.assert_allclose(two[name], array, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("strategy", "says"),
    [
        ("everywhere", "--strategy=everywhere is not known"),
        ("mirrored:1", "at least 2"),
        ("mirrored:3", "cannot be shared evenly among 3 devices"),
        ("mirrored", "shares tasks among GPUs, and there are 0"),
    ],
)
def test_what_cannot_be_is_refused(corpus, tmp_path, strategy, says):
    done = run(
        "train",
        f"--corpus=jsonl:{corpus}",
        *FLAGS,
        f"--output_dir={tmp_path / 'run'}",
        f"--strategy={strategy}",
    )
    assert done.returncode != 0
    assert says in done.stderr
    assert not (tmp_path / "run").exists()
