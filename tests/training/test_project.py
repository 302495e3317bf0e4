"""What is trained over kept arrays: trained, evaluated and exported by scripts."""

import json

import keras
import numpy as np
import pytest
import script_runs

from maml_tf.base_learners import create_text_encoder
from maml_tf.base_learners.projected_encoder import ProjectedEncoder
from maml_tf.evaluation.calibration import Calibration


def run(script, *flags):
    done = script_runs.run(script, *flags)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize(
    ("learner", "rate"), [("projection", 3e-4), ("upper_layers", 1e-4)]
)
def test_train_over_what_is_kept_then_evaluate(tmp_path, learner, rate):
    words = [f"word{letter}" for letter in "abcdefghijkl"]
    rows = [
        {"text": f"{word} {number} {word}", "label": word}
        for word in words
        for number in range(10)
    ]
    path = tmp_path / "corpus.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    tasks = (f"--corpus=jsonl:{path}", "--ways=2", "--shots=1", "--queries=2")
    out = tmp_path / "run"
    train = (
        "train",
        *tasks,
        f"--learner={learner}",
        "--base_learner=scratch:num_layers=1,hidden_dim=8,num_heads=2",
        "--sequence_length=16",
        f"--output_dir={out}",
    )
    said = run(*train, "--steps=20")
    assert "frozen" in said and "trained" in said
    assert Calibration.load(out / "calibration.json").temperature > 0
    config = json.loads((out / "config.json").read_text())
    assert (config["steps"], config["meta_learning_rate"]) == (20, rate)
    # Vectors and checkpoint are this run's alone: another seed, or number of steps, on
    # which the rate depends, is another run.
    for other in ("--seed=1", "--steps=21"):
        done = script_runs.run(*train, "--steps=20", other)
        assert done.returncode == 1 and "holds another run" in done.stderr
    results = tmp_path / "results.json"
    run("evaluate", f"--model_dir={out}", "--episodes=6", f"--results={results}")
    row = json.loads(results.read_text())
    assert 0.5 <= row["accuracy"] <= 1 and row["episodes"] == 6


def test_saving_a_projected_encoder(tmp_path):
    encoder = create_text_encoder(num_layers=1, hidden_dim=8, sequence_length=16)
    projected = ProjectedEncoder(encoder)
    vectors = np.random.default_rng(0).normal(size=(12, 8))
    projected.adapt(vectors, np.arange(12) % 3)
    tokens = projected.preprocessor(["hello", "you there"])
    expected = projected(tokens).numpy()
    plain = encoder(tokens).numpy()
    moved = (plain - vectors.mean(axis=0)) @ projected.projection.projection.numpy()
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    np.testing.assert_allclose(expected, moved, rtol=1e-3, atol=1e-4)
    projected.save(tmp_path / "projected.keras")
    loaded = keras.models.load_model(tmp_path / "projected.keras")
    np.testing.assert_allclose(loaded(tokens), expected, rtol=1e-5, atol=1e-6)
