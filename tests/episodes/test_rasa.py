"""Rasa's training data: what is an example, and what is left aside with a count."""

import pytest

from maml_tf.episodes import CorpusError, read_corpus
from maml_tf.episodes.rasa_entities import without_entities
from maml_tf.episodes.rasa_responses import rasa_text, read_rasa_responses

EVERYTHING = """\
version: "3.1"
intents: [greet]
responses:
  utter_faq/hours:
  - text: From nine to five.
  utter_faq/price:
  - text: A euro.
stories:
- story: one
  steps: []
nlu:
- intent: greet
  metadata:
    tone: warm
  examples: |
    - hallo
    # - not this one
    - Hallo

    - moin # with a number sign
- intent: yes
  examples: |
    - yes
    - [sure](answer) thing
- intent: no
  examples: |
    - no
- intent: 12
  examples: |
    - a dozen
- intent: faq/hours
  examples:
  - text: |
      when do you open
    metadata:
      source: mail
  - text: |
      are you open at [nine]{"entity": "time", "group": "1"}
  - text: "open: today?"
- intent: faq
  examples: |
    - a question
    and its second line
- intent: travel
  examples: |
    - from [NYC]{"entity": "city", "role": "from", "value": "New York"}
    - to [LA](city:Los Angeles)
    - to [Oslo][{"entity": "city"}, {"entity": "goal", "group": "2"}] soon
    - press [OK] or [Esc] (both do)
    - the list[0][1] in {"braces": 1}
- intent: empty
- synonym: New York
  examples: |
    - the big apple
- regex: zip
  examples: |
    - \\d{5}
- lookup: city
  examples: |
    - Oslo
"""


def test_everything_the_format_knows(write):
    corpus = read_corpus(write("nlu.yml", EVERYTHING))
    assert dict(zip(corpus.texts, corpus.labels, strict=True)) == {
        "hallo": "greet",
        "Hallo": "greet",
        "moin # with a number sign": "greet",
        "yes": "yes",
        "sure thing": "yes",
        "no": "no",
        "a dozen": "12",
        "when do you open": "faq/hours",
        "are you open at nine": "faq/hours",
        "open: today?": "faq/hours",
        "a question": "faq",
        "from NYC": "travel",
        "to LA": "travel",
        "to Oslo soon": "travel",
        "press [OK] or [Esc] (both do)": "travel",
        'the list[0][1] in {"braces": 1}': "travel",
    }
    assert corpus.report.skipped == {
        "responses": 2,
        "stories": 1,
        "comments among examples": 1,
        "lines among examples without a `-`": 1,
        "intents without examples": 1,
        "synonyms": 3,
        "regular expressions": 1,
        "lookups": 1,
    }
    assert "line 43, begins without `-`" in "".join(corpus.report.notes)


NLU = "nlu:\n- intent: greet\n  examples: |\n    - hi\n"


def test_files_of_a_folder_are_one_bot(write):
    write("data/nlu/a.yml", NLU)
    write("data/nlu/b.yaml", NLU + "    - yo\n")
    write("data/rules.yml", "rules:\n- rule: x\n  steps: []\n")
    write("data/.cache/old.yml", "nlu: 3")
    domain = write("domain.yml", "intents: [greet]\nresponses:\n  a: []\n").parent
    write("README.md", "# My bot\n")
    corpus = read_corpus(domain)
    assert corpus.class_counts() == {"greet": 2}
    report = corpus.report
    assert (report.files, report.rows, report.duplicates) == (2, 3, 1)
    assert report.skipped == {
        "files without nlu data": 3,
        "rules": 1,
        "responses": 1,
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nlu: 3", "line 1, has no list under nlu"),
        ("nlu: {intent: a}", "line 1, has no list under nlu"),
        ("nlu: [1, 2]", "line 1, is no block of NLU data"),
        ("nlu:\n- \n", "line 2, is no block"),
        ("nlu:\n- intnt: a\n", "line 2, is no block"),
        (
            "nlu:\n- intent:\n  examples: |\n    - a\n",
            "line 2, has no name for an intent",
        ),
        ("nlu:\n- intent: ~\n", "line 2, has no name"),
        ("nlu:\n- intent: ''\n", "line 2, has no name"),
        ("nlu:\n- intent: [a]\n", "line 2, has no name"),
        ("nlu:\n- intent: a\n  intent: b\n", "line 3, names 'intent' a second time"),
        ("nlu: []\nnlu: []\n", "line 2, names 'nlu' a second time"),
        ("nlu:\n- intent: a\n  examples: {b: c}\n", "line 3, has no block of examples"),
        (
            "nlu:\n- intent: a\n  examples: >\n    - b\n    - c\n",
            "line 3, has no block",
        ),
        (
            "nlu:\n- intent: a\n  examples:\n  - b\n",
            "line 4, has no text for an example",
        ),
        ("nlu:\n- intent: a\n  examples:\n  - text: null\n", "line 4, has no text"),
        ("nlu:\n- intent: a\n  examples:\n  - text: [b]\n", "line 4, has no text"),
        (
            "nlu:\n- intent: a\n  examples:\n  - text: b # c\n",
            "line 4, has an unquoted",
        ),
        (
            "nlu:\n- intent: a\n  examples: |\n    - b\n    - [c]{'entity': 'd'}\n",
            "line 5, marks an entity by .*double quotes",
        ),
        (
            "nlu:\n- intent: a\n  examples: |\n    - [c][{}]\n",
            "line 4, marks an entity",
        ),
        (
            'nlu:\n- intent: a\n  examples: "- [c][{}]"\n',
            "line 3, marks an entity",
        ),
        ("nlu: [", "line 1, is not YAML"),
        ("nlu:\n- a: b: c\n", "line 2, is not YAML"),
        ("nlu: \x07", "is not YAML"),
        ("a: 1\n---\nb: 2\n", "line 2, is not YAML"),
        ("[" * 1000, "nested too deep"),
        ("stories: []\n", "has no nlu section"),
        ("just a sentence", "has no nlu section"),
        ("", "has no nlu section"),
        ("nlu:\n", "holds no rows"),
        ("nlu:\n- lookup: a\n", "holds no rows; .* 1 lookups"),
        ("## intent:greet\n- hi\n", "Rasa's older Markdown; convert"),
        ('{"rasa_nlu_data": {}}', "Rasa's older JSON; convert"),
    ],
)
def test_what_is_no_training_data_is_told_with_its_line(write, content, message):
    path = write("nlu.yml", content)
    with pytest.raises(CorpusError, match=message) as error:
        read_corpus(f"rasa:{path}")
    assert str(path) in str(error.value)


def test_older_markdown_is_recognised_by_its_ending(write):
    path = write("nlu.md", "<!-- mine -->\n## intent:greet\n- hi\n")
    for spec in (path, path.parent, f"rasa:{path}"):
        if spec == path.parent:
            write("domain.yml", "intents: []")
        with pytest.raises(CorpusError, match="older Markdown"):
            read_corpus(spec)


@pytest.mark.parametrize(
    ("example", "text", "synonyms"),
    [
        ("[a b](c)", "a b", 0),
        ("[a](c:d e)[b](c)", "ab", 1),
        ("[a](c:a)", "a", 0),
        ('[a]{"entity": "c", "value": "}"}.', "a.", 1),
        ('[a][{"entity": "c", "value": "x"}, {"entity": "d"}]!', "a!", 1),
        ('[a]{"entity": "c", "value": "a"}', "a", 0),
        ("[] (a) [b] [c]", "[] (a) [b] [c]", 0),
        ("[[a](b)]", "[a]", 0),
    ],
)
def test_marks_of_entities_are_taken_off(example, text, synonyms):
    assert without_entities(example, "line 1") == (text, synonyms)


def test_a_written_bot_can_be_read_by_people_and_by_the_reader(write):
    long = "so " * 100 + "groß"
    text = rasa_text(
        [("größe", ["wie groß?"]), ("lines", ["one\ntwo"])], [("größe", [long])]
    )
    for line in ("- intent: größe", "    - wie groß?", f'  - text: "{long}"'):
        assert line in text.splitlines()
    path = write("nlu.yml", text)
    assert read_corpus(path).class_counts() == {"größe": 1, "lines": 1}
    assert read_rasa_responses(path) == [("utter_größe", long)]
