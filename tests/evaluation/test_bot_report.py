"""A bot on trial, and what is told of it, on a bot whose mistakes are known."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

from maml_tf.evaluation.bot_page import write_bot_page
from maml_tf.evaluation.bot_report import Share, contradictions, make_report, near_twins
from maml_tf.evaluation.bot_trial import (
    Tried,
    cross_validate,
    leave_intents_out,
    try_on,
)


class WordBot:
    """Answers with the intent of the example that shares the first word."""

    def __init__(self):
        self.lessons = []

    def fit(self, texts, labels):
        self.first = {
            text.split()[0]: label for text, label in zip(texts, labels, strict=True)
        }
        self.lessons.append(list(zip(texts, labels, strict=True)))
        return self

    def answer(self, texts):
        firsts = [text.split()[0] for text in texts]
        known = np.array([first in self.first for first in firsts])
        default = next(iter(self.first.values()))
        return SimpleNamespace(
            intents=[self.first.get(first, default) for first in firsts],
            probabilities=np.where(known, 0.9, 0.3)[:, None] * [1.0, 0.1],
            in_scope=known,
        )


EXAMPLES = [(f"{word} {n}", word) for word in ("pay", "lock", "send") for n in range(5)]


def test_a_trial_tells_own_questions_from_those_of_no_intent():
    asked = [("pay me", "pay"), ("lock it", "send"), ("rain", "weather")]
    tried = try_on(WordBot(), EXAMPLES, asked)
    assert [one.label for one in tried] == ["pay", "send", None]
    assert [one.intent for one in tried] == ["pay", "lock", "pay"]
    assert [one.in_scope for one in tried] == [True, True, False]
    assert [one.confidence for one in tried] == [0.9, 0.9, 0.3]


def test_cross_validation_asks_every_example_once_of_a_bot_that_lacks_it():
    bot = WordBot()
    tried = cross_validate(bot, [*EXAMPLES, ("alone here", "alone")], folds=3)
    assert sorted(t.text for t in tried) == sorted(text for text, _ in EXAMPLES)
    assert len(bot.lessons) == 3
    for lesson in bot.lessons:
        assert {label for _, label in lesson} == {"pay", "lock", "send", "alone"}
    asked = {t.text for t in tried}
    taught = [text for lesson in bot.lessons for text, _ in lesson]
    assert all(taught.count(text) == 2 for text in asked)


@pytest.mark.parametrize("intents", [3, 4, 7])
def test_intents_left_out_are_asked_of_a_bot_that_lacks_them(intents):
    bot = WordBot()
    examples = [(f"w{i} {n}", f"w{i}") for i in range(intents) for n in range(2)]
    tried = leave_intents_out(bot, examples)
    assert sorted(t.text for t in tried) == sorted(text for text, _ in examples)
    assert all(t.label is None and not t.in_scope for t in tried)
    assert all(len({label for _, label in lesson}) >= 2 for lesson in bot.lessons)
    assert leave_intents_out(bot, examples[:4]) == []


def test_shares_have_wilsons_interval():
    low, high = Share(9, 10).interval
    # Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263.
    assert (low, high) == pytest.approx((0.5958, 0.9821), abs=1e-4)
    low, high = Share(81, 263).interval
    assert (low, high) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert Share(0, 0).interval is None


def make(tried, foreign=(), examples=EXAMPLES, vectors=None):
    vectors = np.eye(len(examples)) if vectors is None else vectors
    return make_report(
        examples, vectors, tried, foreign, method="a file", foreign_from="elsewhere"
    )


def test_the_report_counts_intents_confusions_and_scope():
    tried = [
        Tried("a", "pay", "pay", 0.9, True),
        Tried("b", "pay", "send", 0.6, True),
        Tried("c", "pay", "send", 0.6, False),
        Tried("d", "send", "send", 0.9, True),
    ]
    report = make(tried, [Tried("e", None, "pay", 0.4, False)])
    assert (report.accuracy.right, report.accuracy.of) == (2, 4)
    assert [c.texts for c in report.confusions] == [("b", "c")]
    pay, send, lock = report.intents
    assert (pay.intent, pay.recognised.right, pay.recognised.of) == ("pay", 1, 3)
    assert (send.trusted.right, send.trusted.of) == (1, 3)
    assert lock.recognised.value is None
    assert "often missed" in pay.advice and not send.advice
    assert report.own_accepted.value == 0.75 and report.foreign_refused.value == 1
    found = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert found["accuracy"]["share"] == 0.5
    assert found["intents"][2]["recognised"]["share"] is None


def test_few_examples_are_told():
    examples = [("one", "a"), ("x y", "b"), ("x z", "b")]
    advice = {r.intent: r.advice for r in make([], examples=examples).intents}
    assert advice["a"] == "has one example: give it four more"
    assert advice["b"] == "has 2 examples: give it 3 more"


def test_examples_that_contradict_or_repeat_each_other():
    examples = [
        ("Where is it", "track"),
        ("where  is it", "find"),
        ("where's it", "find"),
        ("when is it", "track"),
    ]
    assert contradictions(examples) == (("Where is it", ("find", "track")),)
    vectors = np.array([[1, 0], [1, 0], [1, 0.01], [0, 1.0]])
    across, within = near_twins(examples, vectors)
    assert {t.texts for t in across} == {("Where is it", "where's it")}
    assert [t.texts for t in within] == [("where  is it", "where's it")]


def test_of_a_crowd_of_like_examples_each_is_told_once():
    examples = [(f"text {n}", "one") for n in range(6)]
    _, within = near_twins(examples, np.ones((6, 3)))
    assert sorted(t.texts[1] for t in within) == [f"text {n}" for n in range(1, 6)]


@pytest.mark.parametrize("count", [1, 15])
def test_the_page_holds_its_pictures_and_escapes_texts(tmp_path, count):
    pytest.importorskip("matplotlib")
    examples = [(f"<b>{n}", f"i{n % count}") for n in range(2 * count)]
    tried = [Tried("<script>", "i0", "i1", 0.5, True)] * (count > 1)
    report = make(tried, examples=examples, vectors=np.eye(2 * count, 4))
    write_bot_page(
        tmp_path / "index.html",
        report,
        own=tried,
        foreign=[],
        vectors=np.eye(2 * count, 4),
        labels=[label for _, label in examples],
        name="<bot>",
    )
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<script>" not in page and "&lt;bot&gt;" in page
    pictures = re.findall(r'src="data:image/png;base64,(.{20})', page)
    assert len(pictures) == (3 if count > 1 else 1)
