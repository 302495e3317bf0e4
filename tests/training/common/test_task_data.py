"""What is said of a corpus before anything is loaded that takes long."""

import pytest
from absl import flags

from maml_tf.episodes import Corpus, SamplingError
from training.common import settings
from training.common.task_data import check_tasks, small_classes

FLAGS = settings.FLAGS


@pytest.fixture
def shape():
    """Sets the shape of tasks, as the command line does."""
    if not FLAGS.is_parsed():
        FLAGS.mark_as_parsed()

    def choose(ways, shots, queries):
        FLAGS.ways, FLAGS.shots, FLAGS.queries = ways, shots, queries

    yield choose
    for name in ("ways", "shots", "queries"):
        FLAGS[name].unparse()


def corpus(**rows):
    return Corpus(
        tuple(f"{name} {i}" for name, count in rows.items() for i in range(count)),
        tuple(name for name, count in rows.items() for _ in range(count)),
    )


def test_one_bot_is_told_what_to_do_instead(shape):
    shape(5, 5, 5)
    parts = {
        "train": corpus(a=12, b=12, c=12, d=4),
        "validation": corpus(e=12, f=12),
        "test": corpus(g=12),
    }
    with pytest.raises(SamplingError) as refused:
        check_tasks(parts, ("train", "validation"))
    told = str(refused.value)
    assert "A task of --ways=5 needs as many classes with 10 texts each" in told
    assert "train 3 of 4, validation 2 of 2, test 1 of 1" in told
    assert "--class_split" in told and "these 7 classes" in told
    assert "training.export without --model_dir" in told


def test_only_what_is_drawn_from_has_to_suffice(shape, capsys):
    shape(2, 1, 1)
    parts = {
        "train": corpus(a=3, b=3, c=1, d=1),
        "validation": corpus(e=2, f=2),
        "test": corpus(g=2),
    }
    check_tasks(parts, ("train", "validation"))
    told = capsys.readouterr().out.splitlines()
    assert told == [
        "2 of 4 train classes are left out, for a task needs 2 texts that are no "
        "near-duplicates: c, d.",
        "The test classes can hold no task of --ways=2 (1 have 2 texts): judging on "
        "them will need other flags.",
    ]
    with pytest.raises(SamplingError, match="test 1 of 1") as refused:
        check_tasks({"test": parts["test"]}, ("test",))
    assert "one bot" not in str(refused.value)


def test_templates_count_as_near_duplicates():
    whole = Corpus(
        ("a 1", "a 2", "a 3", "b 1", "b 2"),
        ("a", "a", "a", "b", "b"),
        templates=("x", "x", "x", "y", "z"),
    )
    assert small_classes(whole, {"ways": 2, "shots": 1, "queries": 1}) == ["a"]


def test_flags_of_a_number_or_a_path_are_checked():
    values = flags.FlagValues()
    from training.common import flag_types

    for parser, good, bad in (
        (flag_types._Rate(), ["0.1", "3e-5", "1e6"], ["nan", "inf", "-1", "0", "1e7"]),
        (flag_types._FilePath(), ["a", "/b"], ["", "  "]),
    ):
        flags.DEFINE(parser, "flag", None, "help", flag_values=values)
        for text in good:
            values(["x", f"--flag={text}"])
            assert values.flag is not None
        for text in bad:
            with pytest.raises(flags.IllegalFlagValueError, match="must"):
                values(["x", f"--flag={text}"])
        delattr(values, "flag")


def test_a_tilde_in_a_path_is_the_home_folder(monkeypatch):
    from training.common.flag_types import _FilePath

    monkeypatch.setenv("HOME", "/home/somebody")
    assert _FilePath().parse("~/runs/first") == "/home/somebody/runs/first"
