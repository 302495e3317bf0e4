"""CSV files as spreadsheets and people write them."""

import pytest

from maml_tf.episodes import CorpusError, read_corpus


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_are_found_by_the_header(write, separator):
    rows = [["id", " Utterance ", "Intent"], ["1", "hi; you, there|\t", "greet "]]
    rows[1][1] = f'"{rows[1][1]}"'
    text = "\n".join(separator.join(row) for row in rows)
    corpus = read_corpus(write("a.csv", text))
    assert (corpus.texts, corpus.labels) == (("hi; you, there|",), ("greet",))


def test_a_first_line_may_name_the_separator(write):
    corpus = read_corpus(write("a.csv", "sep=;\ntext;label\na, b;x\n"))
    assert corpus.texts == ("a, b",)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"]
)
def test_encodings(write, encoding):
    path = write("a.csv", "text,label\r\nGrüße – schön,hallo\r\n", encoding)
    report = read_corpus(path).report
    assert read_corpus(path).texts == ("Grüße – schön",)
    guessed = [note for note in report.notes if "Windows-1252" in note]
    assert len(guessed) == (encoding == "cp1252")
    assert all("a.csv, line 2, is not UTF-8" in note for note in guessed)


def test_columns_can_be_named(write):
    path = write("a.csv", "text,body,label,kind\nno,hi,0,greet\n")
    assert read_corpus(path).texts == ("no",)
    corpus = read_corpus(path, text_column="body", label_column="Kind")
    assert (corpus.texts, corpus.labels) == (("hi",), ("greet",))
    with pytest.raises(CorpusError, match=r"line 1, .* no text field 'x'; its"):
        read_corpus(path, text_column="x")
    with pytest.raises(CorpusError, match="no columns to be named"):
        read_corpus(f"directory:{path.parent}", text_column="x")


def test_empty_rows_are_counted_and_quotes_kept(write):
    text = '\n\ntext,label,\n,,\n"a ""b""\nc",x,\n\n d ,y\n,\n'
    corpus = read_corpus(write("a.csv", text))
    assert (corpus.texts, corpus.labels) == (('a "b"\nc', "d"), ("x", "y"))
    assert corpus.report.skipped == {"empty rows": 5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text,label\n\nwhere, is my parcel,track\n", "line 3, has 3 fields, .* has 2"),
        (
            "where is it,track\nhow much,pay\n",
            "line 1, the header, has no text: .*wh",
        ),
        ("text,number\na,b\n", "the header, has no label: its fields are 'text', 'num"),
        ("text,text,label\na,b,c\n", "names 'text' twice"),
        ('text,label\n"stop it,halt\ngo on,go\n', "line 2, is not CSV: unexpected end"),
        ('text,label\na,x\n"b"c,y\n', "line 3, is not CSV"),
        ("text,label\n" + "x" * 200_000 + ",A\n", "line 2, is not CSV: field larger"),
        ("text,label\na\n", "line 2, has no label"),
        ("text,label\na,x\n\u200b,y\n", "line 3, has no text"),
        ("text,label\na,x\0\n", "line 2, holds a NUL byte"),
        ("\ntext,label\na,x\0\n", "line 3, holds a NUL byte"),
        ("text,label\n", "holds no rows"),
        ("", "holds no rows"),
        (b"text,label\nhi\x81,x\n", "line 2, is not UTF-8"),
    ],
)
def test_bad_files_are_told_with_their_line(write, text, message):
    with pytest.raises(CorpusError, match=message):
        read_corpus(f"csv:{write('a.csv', text)}")
