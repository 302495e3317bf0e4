"""Corpora from files and packages, and what is said of bad ones."""

import json

import pytest

from maml_tf.episodes import CorpusError, read_corpus, split_classes


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_json_lines(tmp_path):
    path = write(
        tmp_path / "a.jsonl",
        '{"text": "hi", "label": "greet", "domain": "talk"}\n\n'
        '{"text": "hi", "label": "greet", "domain": "talk"}\n'
        '{"text": "再见", "label": "leave", "domain": "talk"}\n',
    )
    corpus = read_corpus(f"jsonl:{path}")
    assert corpus.texts == ("hi", "再见")
    assert corpus.groups == ("talk", "talk")
    assert read_corpus(str(path)) == corpus


def test_rasa_annotations_become_plain_text(tmp_path):
    path = write(
        tmp_path / "nlu.yml",
        "nlu:\n- intent: book\n  examples: |\n    - fly to [Rome](city)\n"
        '    - a [big]{"entity": "size"} car\n- lookup: x\n',
    )
    corpus = read_corpus(f"rasa:{path}")
    assert corpus.texts == ("fly to Rome", "a big car")
    assert corpus.classes == ("book",)


def test_directories_of_text_files(tmp_path):
    write(tmp_path / "greet.txt", "hi\nhello\n\n")
    write(tmp_path / "leave" / "1.txt", "so long")
    corpus = read_corpus(f"directory:{tmp_path}")
    assert corpus.class_counts() == {"greet": 2, "leave": 1}


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("jsonl", "", "no rows"),
        (
            "jsonl",
            '{"text": "a", "label": "b"}\n{"text": "a"}\n',
            "line 2, has no label",
        ),
        ("jsonl", '{"text": " ", "label": "b"}\n', "line 1, has no text"),
        ("jsonl", "{oops\n", "line 1, is not JSON"),
        ("jsonl", "[1]\n", "line 1, is not an object"),
        ("csv", "text,label\na,b\n,c\n", "line 3, has no text"),
        ("rasa", "nlu: [", "not YAML"),
    ],
)
def test_bad_files_are_named_with_their_line(tmp_path, kind, content, message):
    path = write(tmp_path / "bad", content)
    with pytest.raises(CorpusError, match=message):
        read_corpus(f"{kind}:{path}")


def test_unreadable_and_unknown(tmp_path):
    path = tmp_path / "latin.jsonl"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CorpusError, match="UTF-8"):
        read_corpus(f"jsonl:{path}")
    with pytest.raises(CorpusError, match="does not exist"):
        read_corpus("csv:nowhere.csv")
    with pytest.raises(CorpusError, match=r"not known; give jsonl:"):
        read_corpus("parquet:x")


def test_home_assistant_is_reproducible_and_names_its_templates():
    corpus = read_corpus("home_assistant_intents", seed=3)
    assert corpus == read_corpus("home_assistant_intents:en", seed=3)
    assert corpus.texts != read_corpus("home_assistant_intents:en", seed=4).texts
    assert len(corpus.classes) > 30
    assert not any(mark in text for text in corpus.texts for mark in "{}<>|[]")
    assert all(
        template.startswith(label)
        for template, label in zip(corpus.templates, corpus.labels, strict=True)
    )


def test_home_assistant_in_several_languages():
    corpus = read_corpus("home_assistant_intents:de,fr")
    assert set(corpus.groups) == {"de", "fr"}
    assert all(label.startswith(("de/", "fr/")) for label in corpus.classes)
    split = split_classes(corpus, "random")
    assert not set(split.train.classes) & set(split.test.classes)
    with pytest.raises(CorpusError, match="no language 'xx'"):
        read_corpus("home_assistant_intents:xx")


def test_tfds(data_dir):
    corpus = read_corpus(
        "tfds:clinc_oos", data_dir=str(data_dir / "tfds"), download=False
    )
    assert len(corpus.classes) == 151
    assert "banking" in corpus.groups
    split = split_classes(corpus, "group:validation=travel;test=banking+work")
    assert set(split.test.groups) == {"banking", "work"}
    assert "travel" not in split.train.groups


def test_unknown_tfds_set(tmp_path):
    with pytest.raises(CorpusError, match="no_such_set"):
        read_corpus("tfds:no_such_set", data_dir=str(tmp_path), download=False)


def test_splits_from_a_file(tmp_path):
    rows = [{"text": f"{c}{i}", "label": c} for c in "abcd" for i in range(3)]
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    corpus = read_corpus(f"jsonl:{path}")
    folds = {"01": {"train": ["a", "b"], "valid": ["c"], "test": ["d"]}}
    write(tmp_path / "folds.json", json.dumps(folds))
    split = split_classes(corpus, f"file:{tmp_path}/folds.json#01")
    assert split.train.classes == ("a", "b")
    assert split.test.classes == ("d",)
    folds["01"]["test"] = ["e"]
    write(tmp_path / "folds.json", json.dumps(folds))
    with pytest.raises(CorpusError, match="'e'"):
        split_classes(corpus, f"file:{tmp_path}/folds.json#01")
    folds["01"]["test"] = ["a"]
    write(tmp_path / "folds.json", json.dumps(folds))
    with pytest.raises(CorpusError, match="stand in train and in test"):
        split_classes(corpus, f"file:{tmp_path}/folds.json#01")
    for spec in ("file:nowhere#01", "random:1,2,3", "thirds", "group"):
        with pytest.raises(CorpusError):
            split_classes(corpus, spec)
