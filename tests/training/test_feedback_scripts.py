"""Learning tastes from feedback, from the command line to the table."""

import json

import pytest
from script_runs import run

from training.common.feedback_flags import TRAIN_SCRIPT, FeedbackSettings
from training.common.persona_flags import settings_of_run

TINY = (
    "--base_learner=scratch:num_layers=2,hidden_dim=8,num_heads=2",
    "--lora_rank=2",
    "--lora_blocks=1",
    "--inner_steps=1",
    "--most_support=2",
    "--query=2",
    "--steps=2",
    "--validate_every=1",
    "--max_length=128",
    "--replies=60",
    "--contexts=1",
)
WORDS = (
    ("you", "i", "the sun", "my mom", "one"),
    ("love", "hate", "know", "want", "like"),
    ("to eat", "food", "the sea", "a walk", "it"),
    ("today", "a lot", "very much", "?", "!", ", yes", ", no"),
)


@pytest.fixture(scope="module")
def dialogues(tmp_path_factory):
    path = tmp_path_factory.mktemp("dialogues") / "people.jsonl"
    replies = [
        f"{a} {b} {c} {d}" + " and so it goes on" * (number % 2)
        for a in WORDS[0]
        for b in WORDS[1]
        for c in WORDS[2]
        for number, d in enumerate(WORDS[3])
    ]
    rows = [
        {"group": str(number % 10), "turns": [f"so what is it {number % 40} ?", reply]}
        for number, reply in enumerate(replies)
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def trained(dialogues, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "feedback"
    done = run(
        "train_feedback", f"--dialogues={dialogues}", f"--output_dir={folder}", *TINY
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_a_run_keeps_what_was_trained_and_how_it_went(trained):
    rows = [
        json.loads(line)
        for line in (trained / "metrics.jsonl").read_text().split("\n")[:-1]
    ]
    assert [row["step"] for row in rows] == [0, 1, 2]
    assert all(0 <= row["validation_agreement"] <= 1 for row in rows)
    assert len(list(trained.glob("states-*.npz"))) == 2
    assert settings_of_run(trained, FeedbackSettings, TRAIN_SCRIPT).query == 2


def test_methods_are_judged_on_the_same_users(dialogues, trained, tmp_path):
    thumbs, output = tmp_path / "thumbs", tmp_path / "feedback.json"
    done = run(
        "train_feedback",
        f"--dialogues={dialogues}",
        f"--output_dir={thumbs}",
        "--feedback=thumbs",
        *TINY,
    )
    assert done.returncode == 0, done.stderr
    given = (
        f"--model_dir={trained}",
        "--pieces=0,2",
        "--users=8",
        "--validation_users=2",
        "--queries=2",
        "--descent_rates=1",
        "--adam_rates=1e-2",
        f"--output={output}",
    )
    done = run("evaluate_feedback", *given, f"--other_dirs={thumbs}", "--more_steps=2")
    assert done.returncode == 0, done.stderr
    result = json.loads(output.read_text())
    assert list(result["rows"]) == [
        f"{feedback}, {how}"
        for feedback in ("pairs", "thumbs")
        for how in ("not meta-trained", "not meta-trained, 2 steps", "meta-trained")
    ]
    assert len(set(result["tastes"])) == 8
    for row in result["rows"].values():
        for each in row["agreement"].values():
            assert {len(values) for values in each.values()} == {8}
    assert len(result["rows"]["pairs, not meta-trained"]["tried"]) == 2
    assert set(result["meta_trained_ahead_by"]) == {"pairs", "thumbs"}
    assert result["settings"]["thumbs"]["feedback"] == "thumbs"
    assert output.with_suffix(".png").stat().st_size > 1000
    assert "ahead by" in output.with_suffix(".md").read_text()
    refused = run("evaluate_feedback", *given, f"--other_dirs={trained}")
    assert "a run of another --feedback than the rest" in refused.stderr


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ((), "Give --dialogues"),
        (("--least_support=4", "--most_support=3", "--dialogues=x"), "is more than"),
        (("--lora_rank=0", "--dialogues=x"), "give --lora_rank and --lora_blocks"),
        (("--lora_blocks=0", "--dialogues=x"), "give --lora_rank and --lora_blocks"),
    ],
)
def test_training_refuses_before_long_work(tmp_path, flags, says):
    done = run("train_feedback", f"--output_dir={tmp_path / 'run'}", *flags)
    assert done.returncode != 0
    assert says in done.stderr
    assert not (tmp_path / "run").exists()
