"""Corpora from files and packages, and what is said of bad ones."""

import json
from pathlib import Path

import pytest

from maml_tf.episodes import CorpusError, read_corpus, split_classes


def test_json_lines(write):
    path = write(
        "a.jsonl",
        '{"text": "hi", "label": "greet", "domain": "talk"}\n\n'
        '{"text": "hi", "label": "greet", "domain": "talk"}\n'
        '{"text": "再见", "label": "leave", "domain": "talk"}\n',
    )
    corpus = read_corpus(f"jsonl:{path}")
    assert corpus.texts == ("hi", "再见")
    assert corpus.groups == ("talk", "talk")
    assert read_corpus(str(path)) == corpus


def test_directories_of_text_files(write, tmp_path):
    write("greet.txt", "\ufeffhi\nhello\n\n")
    write("leave/1.txt", "so\nlong", encoding="utf-16")
    write("leave/2.txt", "")
    write("leave/notes.doc", "")
    write("u\u0308ben.txt", "noch einmal")
    write("README.md", "what is here")
    write(".hidden.txt", "nothing")
    corpus = read_corpus(f"directory:{tmp_path}")
    assert corpus.class_counts() == {"greet": 2, "leave": 1, "üben": 1}
    assert corpus.texts[:3] == ("hi", "hello", "so\nlong")
    assert corpus.report.files == 4
    assert corpus.report.skipped == {
        "files that are no .txt": 1,
        "empty lines and files": 2,
        "entries of folders that are no .txt files": 1,
    }
    assert read_corpus(tmp_path) == corpus
    with pytest.raises(CorpusError, match="is a file; directory: wants the folder"):
        read_corpus(f"directory:{tmp_path / 'greet.txt'}")


def test_labels_may_be_whole_numbers_and_words_of_json(write):
    rows = [{"text": "a", "label": 0}, {"text": "b", "label": "true"}]
    rows.append({"text": "c", "label": 10**30})
    path = write("a.jsonl", "\n".join(map(json.dumps, rows)))
    assert read_corpus(path).labels == ("0", "true", "1" + "0" * 30)


def test_a_report_says_what_was_read(write):
    rows = [("hi", "greet"), ("hi", "greet"), ("HI ", "greet"), ("hi", "leave")]
    rows += [("bye", "leave")]
    lines = [json.dumps({"text": t, "intent": i}) for t, i in rows]
    corpus = read_corpus(write("a.jsonl", "\n\n".join(lines)))
    assert len(corpus) == 4
    report = corpus.report
    assert (report.files, report.rows, report.kept, report.classes) == (1, 5, 4, 2)
    assert report.duplicates == 1 and report.spelling_variants == 1
    assert report.contradictions == {"HI": ("greet", "leave")}
    assert report.skipped == {"empty lines": 4}
    text = str(report)
    for part in ("4 texts of 2 classes", "left aside: 4 empty", "'HI' under greet"):
        assert part in text
    assert len(str(read_corpus(write("b.csv", "text,label\na,b\n")).report)) < 200


def test_paths_without_a_form(write, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write("a.csv", "text,label\nhey,greet\n")
    for spec in ("~/a.csv", "csv:~/a.csv", tmp_path / "a.csv", f"csv:{tmp_path}/a.csv"):
        assert read_corpus(spec).texts == ("hey",)
    nlu = "nlu:\n- intent: greet\n  examples: |\n    - hey\n"
    write("bot/data/nlu.yml", nlu)
    assert read_corpus("~/bot").classes == ("greet",)
    for spec, message in [
        ("~/nowhere.csv", "nowhere.csv does not exist"),
        ("csv:~", "is a folder; csv: wants a file"),
        (write("a.xlsx", ""), "does not tell by its ending"),
        (str(write("notes.txt", "a")), "does not tell by its ending"),
        ("jsonl:" + "a" * 5000, "is no path"),
        ("jsonl:\0", "is no path"),
        ("~nobody_of_this_name/a.csv", "is no path"),
        ("", "is not known"),
        ("csv", "path is empty"),
    ]:
        with pytest.raises(CorpusError, match=message):
            read_corpus(spec)


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
        ("jsonl", '{"text": null, "label": "b"}\n', "line 1, has null for its text"),
        ("jsonl", '{"text": "a", "label": null}\n', "has null for its label"),
        ("jsonl", '{"text": ["a"], "label": "b"}\n', "has a list for its text"),
        ("jsonl", '{"text": "a", "label": {"b": 1}}\n', "has an object for its label"),
        ("jsonl", '{"text": "a", "label": NaN}\n', "has the number nan for its label"),
        ("jsonl", '{"text": "a", "label": 1.5}\n', "has the number 1.5 for its label"),
        ("jsonl", '{"text": "a", "label": false}\n', "has false for its label"),
        ("jsonl", '{"text": 7, "label": "b"}\n', "has the number 7 for its text"),
        ("jsonl", '{"text": "a", "label": "b", "label": "c"}', "names 'label' twice"),
        ("jsonl", '{"text": "a", "label": "b", "group": []}', "a list for its group"),
        ("jsonl", '{"text": "a\\u0000", "label": "b"}', "a NUL character in its text"),
        ("jsonl", '{"text": "a", "label": "\\udc00"}', "half a character .* its label"),
        (
            "jsonl",
            '{"body": "a", "label": "b"}',
            "line 1, has no text: .* 'body', 'lab",
        ),
        ("jsonl", "[" * 10**5, "line 1, is nested too deep"),
        ("jsonl", "1" * 5000, "line 1, is not JSON"),
        ("csv", "text,label\na,b\n,c\n", "line 3, has no text"),
    ],
)
def test_bad_files_are_named_with_their_line(write, kind, content, message):
    path = write("bad", content)
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


def test_a_folder_that_may_not_be_looked_into(write, monkeypatch):
    folder = write("bot/greet/1.txt", "hi").parent
    look = Path.iterdir

    def refused(self):
        if self == folder:
            raise PermissionError(13, "Permission denied")
        return look(self)

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(CorpusError, match="greet cannot be read: Permission denied"):
        read_corpus(f"directory:{folder.parent}")


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


def test_home_assistant_slots_take_every_value_of_their_range(monkeypatch):
    level = {"range": {"from": 1, "to": 7, "step": 2}}
    exact = {"range": {"from": 1, "to": 3, "step": 0}}
    content = {
        "lists": {
            "level": level,
            "exact": exact,
            "shade": {"values": ["dim", "<low>"]},
        },
        "expansion_rules": {"low": "low"},
        "intents": {
            "Level": {"data": [{"sentences": ["set {level}"]}]},
            "Exact": {"data": [{"sentences": ["put {exact}"]}]},
            "Shade": {"data": [{"sentences": ["turn {shade} {4..6}"]}]},
        },
    }
    monkeypatch.setattr("home_assistant_intents.get_languages", lambda: {"en"})
    monkeypatch.setattr("home_assistant_intents.get_intents", lambda code: content)
    corpus = read_corpus("home_assistant_intents:en")
    shades = [f"turn {shade} {n}" for shade in ("dim", "low") for n in (4, 5, 6)]
    assert sorted(corpus.texts) == [
        *("put 1", "put 2", "put 3", "set 1", "set 3", "set 5", "set 7"),
        *shades,
    ]


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


def test_splits_from_a_file(write, tmp_path):
    rows = [{"text": f"{c}{i}", "label": c} for c in "abcd" for i in range(3)]
    path = write("a.jsonl", "\n".join(map(json.dumps, rows)))
    corpus = read_corpus(f"jsonl:{path}")
    folds = {"01": {"train": ["a", "b"], "valid": ["c"], "test": ["d"]}}
    write("folds.json", json.dumps(folds))
    split = split_classes(corpus, f"file:{tmp_path}/folds.json#01")
    assert split.train.classes == ("a", "b")
    assert split.test.classes == ("d",)
    folds["01"]["test"] = ["e"]
    write("folds.json", json.dumps(folds))
    with pytest.raises(CorpusError, match="'e'"):
        split_classes(corpus, f"file:{tmp_path}/folds.json#01")
    folds["01"]["test"] = ["a"]
    write("folds.json", json.dumps(folds))
    with pytest.raises(CorpusError, match="stand in train and in test"):
        split_classes(corpus, f"file:{tmp_path}/folds.json#01")
    for spec in ("file:nowhere#01", "random:1,2,3", "thirds", "group"):
        with pytest.raises(CorpusError):
            split_classes(corpus, spec)
