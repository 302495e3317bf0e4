"""Class splits out of files and groups: the right classes, or one sentence."""

import json

import pytest

from maml_tf.episodes import Corpus, CorpusError, split_classes

CORPUS = Corpus(tuple("abcdef"), tuple("ABCDEF"), groups=tuple("xxyyzz"), name="six")
GOOD = {"train": ["A", "B"], "valid": ["C"], "test": ["D"]}


def split_of(tmp_path, content, key=""):
    path = tmp_path / "split.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return split_classes(CORPUS, f"file:{path}#{key}" if key else f"file:{path}")


def test_a_file_with_and_without_keys(tmp_path):
    for split in (split_of(tmp_path, GOOD), split_of(tmp_path, {"01": GOOD}, "01")):
        assert split.train.classes == ("A", "B")
        assert split.validation.classes == ("C",)
        assert split.test.classes == ("D",)


@pytest.mark.parametrize(
    ("content", "key", "message"),
    [
        ({"train": ["A"], "dev": ["B"], "test": ["C"]}, "", "no validation"),
        ({**GOOD, "train": None}, "", "train is no list of labels"),
        ({**GOOD, "train": 5}, "", "train is no list of labels"),
        ({**GOOD, "train": "AF"}, "", "train is no list of labels"),
        ({**GOOD, "train": {"A": 1}}, "", "train is no list of labels"),
        ({**GOOD, "train": [["A"]]}, "", r"train\[0\] has a list"),
        ({**GOOD, "train": [None]}, "", r"train\[0\] has null"),
        ({**GOOD, "train": [1, "zz"]}, "", "not in six"),
        ({**GOOD, "train": ["A", "A"]}, "", "names 'A' twice"),
        ({**GOOD, "validation": ["C"]}, "", "both valid and validation"),
        ([1], "x", "no key 'x'; it has none"),
        (3, "", "holds no class split"),
        ({"01": GOOD}, "02", "no key '02'; it has '01'"),
        ('{"train": [', "", "is not JSON"),
        ("[" * 100_000, "", "nested too deep"),
    ],
)
def test_a_file_of_another_shape_is_told_what_is_wrong(tmp_path, content, key, message):
    with pytest.raises(CorpusError, match=message):
        split_of(tmp_path, content, key)


def test_no_file(tmp_path):
    with pytest.raises(CorpusError, match="cannot be read"):
        split_classes(CORPUS, f"file:{tmp_path}/none.json#01")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("group:valid=x;test=y", "names 'valid'"),
        ("group:validation=x;validation=y", "a part twice"),
        ("group:validation=q;test=y", "no groups"),
        ("random:0.5,0.5", "three positive shares"),
        ("random:nan,0.5,0.5", "three positive shares"),
        ("random:a,b,c", "three positive shares"),
    ],
)
def test_other_specifications(spec, message):
    with pytest.raises(CorpusError, match=message):
        split_classes(CORPUS, spec)


def test_groups_by_name():
    split = split_classes(CORPUS, "group:validation=y;test=z")
    assert split.train.classes == ("A", "B")
    assert split.test.classes == ("E", "F")
