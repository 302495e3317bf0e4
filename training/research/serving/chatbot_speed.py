"""How soon a chatbot learns and replies, beside what an export takes by itself.

    python -m training.chatbot_speed --saved_model=saved_models/default \\
        --corpus=jsonl:clinc150.jsonl --results=chatbot_speed.json

For bots of several sizes: seconds of one more `teach` with the reply after it, of the
`adapt` that the export would need from texts alone, of a `reply`, and of a bare
`predict` of the same text, taken in turns. Medians. And what kinds of replies texts of
the corpus that were not taught get, how many of the answers are right, and how many
corrections to a wrong intent, and to the right one, are doubted.
"""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from absl import flags

from training.common.files import check_output_file, write_aside
from training.common.flag_types import define_path
from training.common.running import run_script

if TYPE_CHECKING:
    from maml_tf.chatbot import Chatbot
    from maml_tf.serving import AdaptedState

FLAGS = flags.FLAGS
OUT_OF_SCOPE = "oos"  # CLINC150's label of texts that are for none


def define_flags() -> None:
    """The flags of this script."""
    define_path("saved_model", None, "An export.", required=True)
    flags.DEFINE_string("corpus", None, "Labelled texts.", required=True)
    flags.DEFINE_list("intents", ["15", "150"], "How many intents the bots have.")
    flags.DEFINE_integer("examples", 5, "Examples of each intent.", lower_bound=1)
    flags.DEFINE_integer("repeats", 20, "How often each is timed.", lower_bound=1)
    define_path("results", None, "A JSON file to write.")


def main(argv: list[str]) -> None:
    from maml_tf.episodes import read_corpus

    if FLAGS.results:
        check_output_file(Path(FLAGS.results))
    corpus = read_corpus(FLAGS.corpus, download=False)
    by_intent: dict[str, list[str]] = {}
    for text, label in zip(corpus.texts, corpus.labels, strict=True):
        by_intent.setdefault(label, []).append(text)
    by_intent.pop(OUT_OF_SCOPE, None)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for count in map(int, FLAGS.intents):
            rows.append(measured(by_intent, count, Path(folder)))
            print(json.dumps(rows[-1]), flush=True)
    if FLAGS.results:
        found = json.dumps(rows, indent=2) + "\n"
        write_aside(
            Path(FLAGS.results), lambda aside: aside.write_text(found, encoding="utf-8")
        )


def measured(
    by_intent: dict[str, list[str]], count: int, folder: Path
) -> dict[str, Any]:
    """The row of a bot with so many intents."""
    from maml_tf.chatbot import Chatbot

    names = sorted(by_intent)[:: max(1, len(by_intent) // count)][:count]
    few, repeats = FLAGS.examples, FLAGS.repeats
    rows = [
        {"text": text, "intent": name}
        for name in names
        for text in by_intent[name][:few]
    ]
    path = folder / f"{count}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    bot = Chatbot(FLAGS.saved_model, folder / f"{count}.sqlite")
    bot.import_file(path)
    begin = time.perf_counter()
    bot.learning.learned()
    first = time.perf_counter() - begin
    asked = [text for name in names for text in by_intent[name][few + 5 : few + 10]]
    taught = bot.memory.read(bot.bot).examples
    texts, labels = zip(*taught, strict=True)
    state = bot.client.adapt(texts, labels)
    adapts = [_seconds(bot.client.adapt, texts, labels) for _ in range(min(repeats, 5))]
    replies, predicts = in_turns(bot, state, asked[:repeats])
    teaches = []
    for number in range(repeats):
        name = names[number % len(names)]
        text = by_intent[name][few + number // len(names)]
        teaches.append(_seconds(_teach_and_ask, bot, name, text))
    return {
        "intents": len(names),
        "examples": few,
        "first_learned_s": round(first, 3),
        "teach_and_reply_s": round(median(teaches), 3),
        "slowest_teach_and_reply_s": round(max(teaches), 3),
        "adapt_from_texts_s": round(median(adapts), 3),
        "reply_ms": round(1000 * median(replies), 1),
        "predict_ms": round(1000 * median(predicts), 1),
        "reply_by_predict": round(median(replies) / median(predicts), 2),
        **kinds_of_replies(bot, by_intent, names),
        **doubted_corrections(bot, by_intent, names),
    }


def in_turns(
    bot: "Chatbot", state: "AdaptedState", asked: list[str]
) -> tuple[list[float], list[float]]:
    """Seconds of replies and of bare predictions of the same texts."""
    replies, predicts = [], []
    for text in [asked[0], *asked]:
        predicts.append(_seconds(bot.client.predict, state, [text]))
        replies.append(_seconds(bot.reply, text))
    return replies[1:], predicts[1:]


def kinds_of_replies(
    bot: "Chatbot", by_intent: dict[str, list[str]], names: list[str]
) -> dict[str, Any]:
    """How texts that were not taught fare, the last two of each intent."""
    kinds: Counter[str] = Counter()
    right = asked = 0
    right_between = 0
    for name in names:
        for text in by_intent[name][-2:]:
            reply = bot.reply(text)
            asked += 1
            kinds[reply.kind] += 1
            right += reply.intent == name
            if reply.kind == "between":
                right_between += name in [a.intent for a in reply.alternatives[:2]]
    return {
        "asked": asked,
        "kinds": dict(kinds),
        "right_answers": right,
        "right_among_the_two": right_between,
    }


def doubted_corrections(
    bot: "Chatbot", by_intent: dict[str, list[str]], names: list[str]
) -> dict[str, int]:
    """How many corrections are pointed out, each taken back at once."""
    asked = names[:40]
    doubted = {"wrong": 0, "right": 0}
    for place, name in enumerate(asked):
        text = by_intent[name][20]
        for kind, intent in (
            ("wrong", names[(place + 7) % len(names)]),
            ("right", name),
        ):
            doubted[kind] += bool(bot.correct(text, intent).warnings)
            bot.undo()
    return {
        "corrections": len(asked),
        "wrong_doubted": doubted["wrong"],
        "right_doubted": doubted["right"],
    }


def _teach_and_ask(bot: "Chatbot", intent: str, text: str) -> None:
    bot.teach(intent, [text])
    bot.reply(text)


def _seconds(work: Callable[..., Any], *inputs: Any) -> float:
    begin = time.perf_counter()
    work(*inputs)
    return time.perf_counter() - begin


if __name__ == "__main__":
    define_flags()
    run_script(main)
