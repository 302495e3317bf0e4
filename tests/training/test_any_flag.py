"""Scripts refuse whatever flags they are given in a sentence, and before long work."""

import pytest

pytest.importorskip("hypothesis")

from fuzzing import fuzz
from hypothesis import given
from hypothesis import strategies as st
from script_runs import run

FLAGS = {
    "train": (
        *("ways", "shots", "queries", "steps", "tasks_per_batch", "inner_steps"),
        *("learner", "update_rule", "meta_gradient", "fast_weights", "learning_rate"),
        *("inner_learning_rate", "seed", "class_split", "dtype_policy", "strategy"),
    ),
    "train_persona": ("steps", "lora_rank", "max_length", "inner_learning_rate"),
    "evaluate": ("episodes", "ways", "shots"),
    "report": ("support",),
    "export": ("base_learner", "version"),
}
VALUES = st.one_of(
    st.sampled_from(["", "0", "-1", "1e400", "nan", "inf", "1e9", "0.5", "5", "none"]),
    st.sampled_from(
        ["lora", "head", "maml", "reptile", "random", "mirrored:2", "~", "/"]
    ),
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8
    ),
)


@fuzz(8)
@given(
    chosen=st.sampled_from(sorted(FLAGS)).flatmap(
        lambda script: st.tuples(
            st.just(script),
            st.dictionaries(st.sampled_from(FLAGS[script]), VALUES, max_size=3),
        )
    )
)
def test_any_values_of_flags(tmp_path, chosen):
    script, flags = chosen
    # Nothing can be read here, so that nothing is trained whatever the other flags are.
    missing = tmp_path / "missing"
    needed = {
        "train": {"corpus": f"csv:{missing}.csv", "output_dir": missing},
        "train_persona": {"dialogues": f"{missing}.jsonl", "output_dir": missing},
        "evaluate": {"model_dir": missing},
        "report": {"support": f"csv:{missing}.csv"},
        "export": {"model_dir": missing, "export_dir": missing},
    }[script]
    given_flags = {**{k: str(v) for k, v in needed.items()}, **flags}
    if script == "report" and not flags:
        given_flags["output"] = str(missing)
    done = run(script, *(f"--{name}={value}" for name, value in given_flags.items()))
    assert done.returncode != 0
    assert "Traceback" not in done.stderr, done.stderr[-1500:]
    assert done.stderr.strip() or done.stdout.strip()
    assert not missing.exists()
