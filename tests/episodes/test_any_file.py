"""Whatever a file holds, reading it gives a corpus or a sentence, never a traceback."""

import json
import warnings

import pytest

from maml_tf.episodes import Corpus, CorpusError, read_corpus, split_classes
from maml_tf.episodes.readers import read_texts

pytest.importorskip("hypothesis")

from fuzzing import fuzz
from hypothesis import given
from hypothesis import strategies as st

SUFFIXES = {"csv": "csv", "jsonl": "jsonl", "rasa": "yml"}
TEXT = st.text(max_size=12)
# Pieces that mean something to one of the formats, in any order.
PIECES = st.sampled_from(
    [
        *('"', "'", ",", ";", "\t", "\n", "\r\n", "\ufeff", "\u2028", "\0", ":", "#"),
        *("text,label\n", "utterance;intent\n", "a,b\n", "pay,1\n", "{", "}", "[", "]"),
        *('{"text": "a", "label": "b"}\n', '{"text": 1, "label": null}\n', "NaN", "- "),
        *("nlu:\n", "- intent: pay\n", "  examples: |\n", "    - pay me\n", "!!set {"),
        *(
            "version: '3.1'\n",
            "- synonym: x\n",
            "[a](b)",
            '[a]{"entity": "b"}',
            "&a *a",
        ),
    ]
)
CONTENT = st.one_of(
    st.binary(max_size=40),
    st.lists(st.one_of(PIECES, TEXT), max_size=12).map(
        lambda parts: "".join(parts).encode("utf-8", "surrogatepass")
    ),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)
    ),
    max_leaves=8,
)


def is_corpus_or_sentence(read):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = read()
        except CorpusError as error:
            assert str(error).strip() and "Traceback" not in str(error)
            return None
    if isinstance(found, Corpus):
        assert len(found.texts) == len(found.labels) > 0
        for value in (*found.texts, *found.labels):
            assert isinstance(value, str) and value.strip()
            value.encode()  # no half of a character
    return found


@pytest.mark.parametrize("form", SUFFIXES)
@fuzz(120)
@given(content=CONTENT)
def test_a_file_of_any_bytes(form, content, tmp_path):
    path = tmp_path / f"any.{SUFFIXES[form]}"
    path.write_bytes(content)
    is_corpus_or_sentence(lambda: read_corpus(f"{form}:{path}"))
    is_corpus_or_sentence(lambda: read_texts(str(path)))


@fuzz(120)
@given(rows=st.lists(st.dictionaries(st.sampled_from(["text", "label", "x"]), JSON)))
def test_json_lines_with_any_fields(rows, tmp_path):
    path = tmp_path / "any.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    corpus = is_corpus_or_sentence(lambda: read_corpus(f"jsonl:{path}"))
    if corpus is not None:
        assert all(isinstance(row["text"], str) for row in rows if row.get("text"))


@fuzz(120)
@given(
    split=st.one_of(
        JSON,
        st.dictionaries(st.sampled_from(["01", "train", "valid", "test"]), JSON),
        st.fixed_dictionaries(
            {
                "01": st.dictionaries(
                    st.sampled_from(["train", "valid", "test", "validation"]),
                    st.one_of(JSON, st.lists(st.sampled_from("ABCDEF"), max_size=4)),
                )
            }
        ),
    )
)
def test_a_class_split_of_any_shape(split, tmp_path):
    path = tmp_path / "folds.json"
    path.write_text(json.dumps(split))
    corpus = Corpus(tuple("abcdef"), tuple("ABCDEF"))
    found = is_corpus_or_sentence(lambda: split_classes(corpus, f"file:{path}#01"))
    if found is not None:
        sides = [side.classes for side in (found.train, found.validation, found.test)]
        assert all(sides) and len({c for s in sides for c in s}) == sum(map(len, sides))


@fuzz(120)
@given(spec=st.one_of(TEXT, TEXT.map("random:{}".format), TEXT.map("group:{}".format)))
def test_a_specification_of_any_kind(spec):
    corpus = Corpus(tuple("abcdef"), tuple("ABCDEF"), groups=tuple("uvwxyz"))
    is_corpus_or_sentence(lambda: split_classes(corpus, spec))
