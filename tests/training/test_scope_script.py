"""The share in scope by each rule, from corpora to a table."""

import json

import numpy as np
from script_runs import run

from training.research.intents.scope_bots import CorpusVectors, scope_bots

WORDS = ("pay", "lock", "send", "bill", "move", "buy")


def test_a_table_from_two_corpora(tmp_path):
    for name in ("one", "two"):
        rows = [
            f"{word} it {n} {name},{word}_{name}" for word in WORDS for n in range(14)
        ]
        (tmp_path / f"{name}.csv").write_text("text,label\n" + "\n".join(rows))
    results = tmp_path / "scope.json"
    done = run(
        "scope",
        *(f"--corpus=csv:{tmp_path / name}.csv" for name in ("one", "two")),
        "--base_learner=scratch:num_layers=1,hidden_dim=8",
        "--bots=60",
        f"--results={results}",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads(results.read_text())
    assert len(rows) == 2 * 5 * 2 and str(tmp_path) not in results.read_text()
    assert all(0 <= row["own"] <= 1 and "far" not in row for row in rows)
    assert "| one threshold | 10 |" in results.with_suffix(".md").read_text()


def test_bots_have_the_sizes_they_say():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(120, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    corpus = CorpusVectors("c", vectors, np.repeat(np.arange(8), 15), vectors[:8])
    for bot in scope_bots(corpus, vectors[:7], bots=30, seed=0):
        ways = bot.asked.logits.shape[1]
        assert ways in (3, 5) and len(bot.far) == 7
        assert len(bot.asked.labels) == len(bot.asked.logits)
        assert set(bot.asked.labels) == set(range(ways))
        assert bot.asked.features[1] == 1 / (bot.shots + bot.named)
    again = list(scope_bots(corpus, vectors[:7], bots=30, seed=0))
    assert np.array_equal(again[-1].near, bot.near)
