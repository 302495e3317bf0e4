"""The report on a bot as one HTML page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maml_tf.evaluation.bot_plots import plot_confidence, plot_intents, plot_map
from maml_tf.evaluation.bot_report import BotReport, Twins
from maml_tf.evaluation.bot_trial import Tried
from maml_tf.evaluation.page import Page

MOST = 40  # rows of a table
SENTENCES = 5  # of one confusion


def write_bot_page(
    path: Path,
    report: BotReport,
    *,
    own: Sequence[Tried],
    foreign: Sequence[Tried],
    vectors: np.ndarray,
    labels: Sequence[str],
    name: str,
) -> None:
    """Writes the page, and beside it the pictures that it holds.

    Args:
        path: the HTML file.
        report: what is told.
        own, foreign: the questions behind it.
        vectors: of the examples, `[examples, dim]`.
        labels: their intents.
        name: of the bot, or of its file.
    """
    folder = path.parent
    page = Page(
        f"How well does the bot understand? ({name})",
        f"The bot knows {len(report.intents)} intents by {report.examples} example "
        f"sentences. It was asked {report.method}. Shares come with the range in which "
        "they lie with 95 % certainty; few questions make it wide.",
    )
    page.figures(
        [
            (str(report.accuracy), "of its questions understood"),
            (str(report.own_accepted), "of its questions answered, not turned away"),
            (str(report.foreign_refused), "of questions of no intent turned away"),
        ]
    )
    _intents(page, report, folder)
    _confusions(page, report)
    _examples(page, report)
    page.section(
        "Where the examples lie",
        "Each mark is an example, placed by its meaning as the model sees it. Intents "
        "that overlap here are easily confused.",
    )
    plot_map(
        vectors,
        labels,
        folder / "map.png",
        title="Examples by meaning",
        coloured=[one.intent for one in report.intents],
    )
    page.picture(
        folder / "map.png",
        "The bot's examples; the seven intents that it recognises worst are in colour.",
    )
    page.section(
        "Questions that belong to no intent",
        f"Here: {report.foreign_from}." if foreign else "There were none to ask.",
    )
    if own or foreign:
        plot_confidence(own, foreign, folder / "confidence.png")
        page.picture(
            folder / "confidence.png",
            "How sure the bot is. The less the two overlap, the better it can say "
            "“I don't know”.",
        )
    page.write(path)


def _intents(page: Page, report: BotReport, folder: Path) -> None:
    page.section("Intent by intent", "The worst come first.")
    if any(one.recognised.of for one in report.intents):
        plot_intents(report, folder / "intents.png")
        page.picture(folder / "intents.png", "Questions recognised, by intent.")
    page.table(
        ["intent", "examples", "recognised", "right when it says so", "advice"],
        [
            [
                one.intent,
                one.examples,
                f"{one.recognised.right} of {one.recognised.of}",
                f"{one.trusted.right} of {one.trusted.of}",
                one.advice,
            ]
            for one in report.intents
        ],
    )


def _confusions(page: Page, report: BotReport) -> None:
    if not report.confusions:
        page.section(
            "What it confuses", "Nothing, among the questions that were asked."
        )
        return
    page.section("What it confuses", "The most frequent first.")
    page.table(
        ["these questions", "belong to", "were taken for"],
        [
            [_some(one.texts), one.intent, one.taken_for]
            for one in report.confusions[:MOST]
        ],
    )


def _examples(page: Page, report: BotReport) -> None:
    if not (report.contradictions or report.across or report.within):
        page.section("Examples to look at", "No two say the same.")
        return
    page.section("Examples to look at")
    if report.contradictions:
        page.text("The same sentence under several intents; keep it under one.")
        page.table(
            ["sentence", "intents"],
            [[text, list(intents)] for text, intents in report.contradictions[:MOST]],
        )
    if report.across:
        page.text("Nearly the same sentences under two intents; is that what you mean?")
        page.table(["sentences", "intents", "alike"], _rows(report.across))
    if report.within:
        page.text("Nearly the same sentences under one intent; the second adds little.")
        page.table(["sentences", "intent", "alike"], _rows(report.within))


def _rows(twins: Sequence[Twins]) -> list[list[object]]:
    return [
        [
            list(one.texts),
            list(dict.fromkeys(one.intents)),
            f"{one.similarity:.0%}".replace("%", " %"),
        ]
        for one in twins[:MOST]
    ]


def _some(texts: Sequence[str]) -> list[str]:
    left = len(texts) - SENTENCES
    return [*texts[:SENTENCES], *([f"and {left} more"] if left > 0 else [])]
