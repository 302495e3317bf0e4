"""Tells a bot's builder what the bot gets wrong, and which examples to add.

    maml-tf report --support=bot.csv --test=questions.csv --output_dir=runs/report

writes runs/report/index.html, one page with pictures, and report.json with the same
figures: accuracy with its 95 % interval, each intent, the confusions with their
sentences, contradictory and nearly equal examples, intents that want more of them, and
what becomes of questions that belong to no intent. Without --test the examples
themselves are asked, each of a bot that was not taught it (cross-validation).

Rows of the test file whose label the bot does not know count as questions of no intent.
"""

import json
from pathlib import Path

from absl import flags

from .common.running import run_script

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "support",
    None,
    "The bot's labelled sentences: csv:FILE | jsonl:FILE | rasa:PATH | directory:PATH.",
    required=True,
)
flags.DEFINE_string("test", None, "Labelled questions, in any of the same forms.")
flags.DEFINE_string(
    "saved_model", None, "An export to learn with; by default the meta-trained default."
)
flags.DEFINE_string("output_dir", "runs/report", "Where page and figures are written.")


def main(argv: list[str]) -> None:
    from maml_tf.bot import Bot
    from maml_tf.episodes import read_corpus
    from maml_tf.evaluation.bot_page import write_bot_page
    from maml_tf.evaluation.bot_report import make_report
    from maml_tf.evaluation.bot_trial import (
        FOLDS,
        cross_validate,
        leave_intents_out,
        try_on,
    )

    support = read_corpus(FLAGS.support, download=False)
    test = read_corpus(FLAGS.test, download=False) if FLAGS.test else None
    examples = list(zip(support.texts, support.labels, strict=True))
    bot = Bot(FLAGS.saved_model)
    if test:
        asked = try_on(bot, examples, list(zip(test.texts, test.labels, strict=True)))
        own = [one for one in asked if one.label is not None]
        foreign = [one for one in asked if one.label is None]
        method = f"the questions of {Path(test.name).name}"
    else:
        own, foreign = cross_validate(bot, examples), []
        method = (
            f"its own examples, each asked of a bot that was taught the others "
            f"(cross-validation, {FOLDS} parts)"
        )
    foreign_from = "questions of the test file whose label the bot does not know"
    if not foreign:
        foreign = leave_intents_out(bot, examples)
        foreign_from = "its own examples, asked of a bot that was not taught the intent"
    vectors = bot.embed(support.texts)
    report = make_report(
        examples,
        vectors,
        own,
        foreign,
        method=method,
        foreign_from=foreign_from,
    )
    folder = Path(FLAGS.output_dir).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report.to_json(), indent=2, ensure_ascii=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    page = folder / "index.html"
    write_bot_page(
        page,
        report,
        own=own,
        foreign=foreign,
        vectors=vectors,
        labels=support.labels,
        name=Path(support.name).name,
    )
    print(f"Of {report.accuracy.of} questions the bot understood {report.accuracy}.")
    for one in report.intents[:3]:
        if one.advice:
            print(f"  {one.intent}: {one.advice}.")
    print(f"The whole report: {page}")


if __name__ == "__main__":
    run_script(main)
