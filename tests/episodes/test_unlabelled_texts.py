"""Texts without labels: one a line, of JSON lines or of a CSV's column."""

import json

import pytest

from maml_tf.episodes import CorpusError, read_texts


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("q.txt", "1st\u2028part\n\n second \r\n1st\u2028part"),
        ("q", "\ufeff1st\u2028part\n\ufeffsecond\n1st\u2028part\n"),
        (
            "q.jsonl",
            '"1st\u2028part"\n{"query": " second"}\n{"text": "1st\\u2028part"}',
        ),
        ("q.csv", "text\n1st\u2028part\nsecond\n1st\u2028part\n"),
        ("q.csv", "1st\u2028part\nsecond\n1st\u2028part\n"),
        (
            "q.tsv",
            "id\tquestion\n1\t1st\u2028part\n2\tsecond\n\n3\t1st\u2028part\n",
        ),
    ],
)
def test_every_form(write, name, content):
    assert read_texts(write(name, content)) == [
        "1st\u2028part",
        "second",
        "1st\u2028part",
    ]


def test_a_column_can_be_named(write):
    path = write("q.csv", "text;body\na;b\n")
    assert read_texts(path, text_column="body") == ["b"]
    path = write("q.jsonl", json.dumps({"text": "a", "body": "b"}))
    assert read_texts(f"jsonl:{path}", text_column="body") == ["b"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("q.jsonl", '"a"\n{"text": null}\n', "line 2, has null for its text"),
        ("q.jsonl", "null\n", "line 1, has null for its text"),
        ("q.jsonl", '{"text": true}\n', "line 1, has true for its text"),
        ("q.jsonl", "[1]\n", "line 1, has a list for its text"),
        ("q.jsonl", "3\n", "line 1, has the number 3 for its text"),
        ("q.jsonl", '{"txt": "a"}\n', "line 1, has no text: its fields are 'txt'"),
        ("q.jsonl", "[" * 100_000, "line 1, is nested too deep"),
        ("q.jsonl", '"a\\ud83d"\n', "line 1, has half a character"),
        ("q.csv", "a,b\nc,d\n", "line 1, the header, has no text"),
        ("q.txt", "\n \n", "holds no texts"),
        ("q.yml", "nlu: []", "is no file of texts"),
    ],
)
def test_what_is_no_text_is_told_with_its_line(write, name, content, message):
    with pytest.raises(CorpusError, match=message):
        read_texts(write(name, content))


def test_what_is_no_file(tmp_path):
    with pytest.raises(CorpusError, match="is a folder"):
        read_texts(tmp_path)
    with pytest.raises(CorpusError, match="does not exist"):
        read_texts(tmp_path / "q.txt")
