"""Learning to become people, from the command line to the table."""

import json
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file
from script_runs import ROOT, command, run

from maml_tf import MAML, MetaSGD, create_causal_lm
from training.common.language_learner import plain_language_learner
from training.common.persona_flags import (
    PersonaSettings,
    make_persona_learner,
    settings_of_run,
)
from training.common.persona_replies import Person, Replies, tables_of
from training.common.persona_weights import (
    load_initial,
    load_trained,
    save_trained,
)
from training.common.run import RunError

NAMES = ["anna", "bert", "carl", "dora", "emil", "fred", "gina", "hans", "jane", "kurt"]
TINY = (
    "--base_learner=scratch:num_layers=1,hidden_dim=8,num_heads=2",
    "--lora_rank=2",
    "--lora_blocks=0",
    "--inner_steps=1",
    "--least_support=1",
    "--most_support=2",
    "--query=1",
    "--steps=2",
    "--validate_every=1",
    "--max_length=64",
)


@pytest.fixture(scope="module")
def dialogues(tmp_path_factory):
    path = tmp_path_factory.mktemp("dialogues") / "people.jsonl"
    rows = [
        {
            "persona_id": person,
            "persona": [f"i am {NAMES[person]}."],
            "turns": ["hi", f"ho {NAMES[person]} {number}!", "who?", "me", "ah"],
        }
        for person in range(10)
        for number in range(4)
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def trained(dialogues, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "persona"
    done = run(
        "train_persona", f"--dialogues={dialogues}", f"--output_dir={folder}", *TINY
    )
    assert done.returncode == 0, done.stderr
    assert "40 dialogues of 10 people" in done.stdout
    return folder


def test_a_run_keeps_what_was_trained_and_how_it_went(trained):
    rows = [
        json.loads(line)
        for line in (trained / "metrics.jsonl").read_text().split("\n")[:-1]
    ]
    assert [row["step"] for row in rows] == [0, 1, 2]
    assert all(row["validation_log_likelihood"] < 0 for row in rows)
    # Factors alone, not the model beside them.
    assert (trained / "weights.safetensors").stat().st_size < 20_000
    assert settings_of_run(trained, PersonaSettings).most_support == 2


def test_methods_are_judged_on_the_same_people_and_a_killed_one_is_not_lost(trained):
    asked = (
        "evaluate_persona",
        f"--model_dir={trained}",
        "--support=1,2",
        "--inner_steps=1",
        "--queries=1",
        "--fine_tuning_rates=1e-3",
        "--reply_tokens=3",
    )
    with subprocess.Popen(
        command(*asked), cwd=ROOT, text=True, stdout=subprocess.PIPE
    ) as killed:
        for line in killed.stdout:
            # A method is told before it is kept, so what came before this one is.
            if line.startswith("fine-tuned a person: "):
                killed.kill()
    done = run(*asked)
    assert done.returncode == 0, done.stderr
    assert "meta-trained: " in done.stdout
    assert "pretrained, in context: " not in done.stdout  # kept
    assert not list(trained.glob("judging-*"))  # until everything is written
    result = json.loads((trained / "persona.json").read_text())
    assert set(result["losses"]) == {
        "pretrained",
        "pretrained, in context",
        "fine-tuned a person",
        "meta-trained, 0 steps",
        "meta-trained, 1 steps",
        "meta-trained, in context",
    }
    for by_support in result["losses"].values():
        assert set(by_support) == {"1", "2"}
        assert {len(losses) for losses in by_support.values()} == {2}  # 8 and 9
    # Random weights over 259 tokens know next to nothing.
    assert 5 < result["losses"]["pretrained"]["1"][0] < 6
    written = (trained / "persona.md").read_text()
    assert "| pretrained |" in written and written in done.stdout
    assert "| meta-trained, 1 steps | +0.000 ± 0.000 | +0.000 ± 0.000 |" in written
    assert (trained / "persona.png").read_bytes()[:4] == b"\x89PNG"
    _replies_are_told(result["replies"], written)
    # Where files lay on this machine is nobody else's business.
    assert result["settings"]["dialogues"] == "people.jsonl"


def test_replies_after_more_than_an_export_would_read():
    long = [[("hi", "a word " * 200)]] * 3
    person = Person("a", ("i talk.",), long, [["hi"]], ["ho"])
    replies = Replies([person], 2)
    tiny = "scratch:num_layers=1,hidden_dim=8,num_heads=2"
    learner = plain_language_learner(tiny, rank=2, steps=1)
    written = replies.write(learner, learns=True, context=True)
    assert len(written["texts"][0]) == 1
    replies.add("in context", written)
    assert "consistency" not in replies.result()  # nobody to compare with


def test_a_reply_is_one_cell_of_its_table():
    sample = {"person": "a", "persona": [], "asked": ["hi"], "replies": {"x": "a|b\nc"}}
    assert "| x | a\\|b c |" in tables_of({"costs": {}, "samples": [sample]})


def _replies_are_told(replies, written):
    methods = {
        "pretrained",
        "pretrained, in context",
        "fine-tuned a person, 1 steps",
        "meta-trained, 1 steps",
        "meta-trained, in context",
        "response selection",
    }
    assert set(replies["costs"]) == methods
    assert set(replies["consistency"]) == methods | {"what they said"}
    # The people's own first reply has the word of their sentence and of no one else's.
    own = {"own": 100.0, "others": 0.0, "above": 100.0, "above_ci95": 0.0}
    assert replies["consistency"]["what they said"] == own
    assert replies["consistency"]["response selection"] == own
    for sample, name in zip(replies["samples"], NAMES[8:], strict=True):
        assert sample["asked"] == ["hi"]
        assert sample["replies"]["response selection"].startswith(f"ho {name}")
        assert set(sample["replies"]) == methods | {"what they said"}
    learned = {name: cost["bytes"] for name, cost in replies["costs"].items()}
    assert learned["pretrained"] == learned["pretrained, in context"] == 0
    assert learned["meta-trained, 1 steps"] == learned["meta-trained, in context"] > 0
    assert "| what they said | 100.0 % | +100.0 ± 0.0 |" in written
    assert "Person 8: i am jane." in written


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ((), "Give --dialogues"),
        (("--dialogues=nowhere.jsonl",), "There is no file 'nowhere.jsonl'"),
        (("--least_support=4", "--most_support=3", "--dialogues=x"), "is more than"),
    ],
)
def test_training_refuses_before_long_work(tmp_path, flags, says):
    done = run("train_persona", f"--output_dir={tmp_path / 'run'}", *flags)
    assert done.returncode != 0
    assert says in done.stderr
    assert not (tmp_path / "run").exists()


def test_people_with_too_few_dialogues_are_told(dialogues, tmp_path):
    done = run(
        "train_persona",
        f"--dialogues={dialogues}",
        f"--output_dir={tmp_path / 'run'}",
        "--most_support=9",
    )
    assert done.returncode != 0
    assert "nobody of 7 has more than 4" in done.stderr


def test_a_folder_without_a_run_is_told(tmp_path):
    with pytest.raises(RunError, match=r"holds no run of training\.train_persona"):
        settings_of_run(tmp_path, PersonaSettings)


def test_a_run_starts_from_what_another_learned(tmp_path):
    def learner(kind, rank=2):
        base = create_causal_lm(
            "scratch:num_layers=1,hidden_dim=8,num_heads=2", lora_rank=rank
        )
        return kind(base, fast_weights="lora")

    earlier, later = learner(MAML), learner(MetaSGD)
    for variable in earlier.base_learner.trainable_variables:
        variable.assign(variable + 0.5)
    save_trained(tmp_path, earlier)
    load_initial(tmp_path, later.base_learner)
    for one, two in zip(
        earlier.base_learner.trainable_variables,
        later.base_learner.trainable_variables,
        strict=True,
    ):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(RunError, match="another base learner, or other factors"):
        load_initial(tmp_path, learner(MAML, rank=3).base_learner)


@pytest.mark.parametrize("kind", ["maml", "reptile", "meta_sgd"])
def test_weights_are_found_whatever_learners_were_made_before(tmp_path, kind, trained):
    """Whoever compares runs has several in one process."""
    settings = replace(settings_of_run(trained, PersonaSettings), learner=kind)
    earlier, later = (make_persona_learner(settings) for _ in range(2))
    for variable in earlier.trainable_variables:
        variable.assign(variable + 0.5)
    save_trained(tmp_path, earlier)
    load_trained(tmp_path, later)
    for one, two in zip(
        earlier.trainable_variables, later.trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(one, two)


def test_without_factors_the_last_blocks_adapt_or_all(trained):
    settings = replace(
        settings_of_run(trained, PersonaSettings),
        base_learner="scratch:num_layers=2,hidden_dim=8,num_heads=2",
        lora_rank=None,
    )

    def adapted(**changed):
        learner = make_persona_learner(replace(settings, **changed))
        return {v.path.split("/")[0] for v in learner.inner_loop.fast_variables}

    blocks = {"transformer_layer_0", "transformer_layer_1"}
    assert adapted(lora_blocks=1) == {"transformer_layer_1"}
    assert adapted(lora_blocks=None) == {*blocks, "sequence_output_layernorm"}


def test_factors_start_on_weights_that_were_all_trained(tmp_path):
    def base(rank):
        return create_causal_lm(
            "scratch:num_layers=1,hidden_dim=8,num_heads=2", lora_rank=rank
        )

    whole, factored = base(None), base(2)
    for variable in whole.variables:
        variable.assign(variable + 0.5)
    save_trained(tmp_path, MAML(whole))
    changed = load_initial(tmp_path, factored)
    for one, two in zip(whole.variables, factored.frozen_weights, strict=True):
        np.testing.assert_array_equal(one, two)
    # Whoever judges, exports or goes on from that run has them too.
    later = tmp_path / "later"
    later.mkdir()
    save_trained(later, MAML(factored, fast_weights="lora"), changed)
    judged, further = base(2), base(2)
    load_trained(later, MAML(judged, fast_weights="lora"))
    assert len(load_initial(later, further)) == len(changed) > 0
    for model in (judged, further):
        for one, two in zip(factored.variables, model.variables, strict=True):
            np.testing.assert_array_equal(one, two)


def test_a_run_is_exported_and_other_flags_are_refused(trained, tmp_path):
    export = (f"--model_dir={trained}", f"--export_dir={tmp_path / 'persona'}")
    done = run("export", *export, "--max_tokens=64")
    assert done.returncode == 0, done.stderr
    version = tmp_path / "persona" / "1"
    assert done.stdout.splitlines()[0] == str(version)
    card = json.loads((version / "model_card.json").read_text())
    # Low-rank factors of rank 2 on seven layers of width 8, of which two are wider.
    numbers = 2 * (4 * (8 + 8) + 3 * (8 + 24))
    assert card["state_bytes"] == 2 * numbers
    assert f"A state takes {2 * numbers / 1e6:.2f} MB" in done.stdout
    assert card["trained_with"]["most_support"] == 2
    assert card["validation"]["validation_log_likelihood"] < 0
    refused = run("export", *export, "--precision=int8")
    assert "--precision has no meaning for a language model" in (
        refused.stdout + refused.stderr
    )
    refused = run("export", *export, "--language_model=scratch")
    assert "Give --model_dir or --language_model, not both" in (
        refused.stdout + refused.stderr
    )
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    (unfinished / "config.json").write_text((trained / "config.json").read_text())
    refused = run("export", f"--model_dir={unfinished}", f"--export_dir={tmp_path}/x")
    assert "let its training run to its end" in refused.stderr


def test_two_devices_share_people_and_end_at_the_weights_of_one(tmp_path):
    path = tmp_path / "people.jsonl"
    rows = [
        {"persona_id": person, "turns": ["hi", f"ho {person} {number}!"]}
        for person in range(20)
        for number in range(3)
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    given = ("train_persona", f"--dialogues={path}", *TINY, "--tasks_per_batch=2")
    one = run(*given, f"--output_dir={tmp_path / 'one'}")
    assert one.returncode == 0, one.stderr
    # A process of its own: devices are fixed before TensorFlow first runs.
    flags = (f"--output_dir={tmp_path / 'two'}", "--strategy=mirrored:2")
    two = subprocess.run(
        [*command(*given), *flags], cwd=ROOT, capture_output=True, text=True
    )
    assert two.returncode == 0, two.stderr[-2000:]
    weights = [load_file(tmp_path / n / "weights.safetensors") for n in ("one", "two")]
    assert weights[0].keys() == weights[1].keys()
    for name, array in weights[0].items():
        np.testing.assert_allclose(weights[1][name], array, atol=1e-5, err_msg=name)
    refused = run(*given, f"--output_dir={tmp_path / 'no'}", "--strategy=mirrored:3")
    assert "cannot be shared evenly among 3 devices" in refused.stderr


def test_further_people_are_trained_on_and_nobody_is_judged_by_them(tmp_path):
    def written(name, people, dialogues):
        rows = [
            {"persona_id": person, "turns": ["hi", f"{name} {person} {number}!"]}
            for person in people
            for number in range(dialogues)
        ]
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        return path

    # Nobody of the first file alone has enough dialogues to be trained on.
    few = [written("few", [7], 3), written("ones", range(5), 1)]
    both = tmp_path / "both.jsonl"
    both.write_text("".join(path.read_text() for path in few))
    more = written("more", [7, 8], 4)
    given = ("train_persona", f"--dialogues={both}", *TINY)
    done = run(*given, f"--output_dir={tmp_path / 'no'}")
    assert "nobody of 5 has more than 1" in done.stderr
    flags = (f"--more_dialogues={more}", f"--output_dir={tmp_path / 'run'}")
    done = run(*given, *flags)
    assert done.returncode == 0, done.stderr[-2000:]
    told = "People with 2 dialogues or more: 2 to train on (2 with 3), 1 for validation"
    assert told in done.stdout
    more.write_text(more.read_text().replace("hi", "ho"))
    done = run(*given, *flags, "--steps=3")
    assert done.returncode != 0 and "more dialogues" in done.stderr
