"""Teaches an exported model a bot from a file and asks it questions.

    python -m training.predict --saved_model=saved_models/first \\
        --support=jsonl:bot.jsonl --queries=questions.txt --results=answers.json

The support file holds a few sentences of each intent, in any form that --corpus of
training.train reads; --named adds intents by name alone. Queries are one sentence a
line, JSON lines of strings or of objects with a "text", or CSV. Each is answered in a
line, or with all probabilities in a JSON file that --results names. Whoever asks again
and again asks a server, training.serve, which starts once.
"""

import gc
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import app, flags

from .common.files import check_output_file, write_aside
from .common.flag_types import define_path
from .common.running import run_script

if TYPE_CHECKING:
    from maml_tf.serving import Answers

FLAGS = flags.FLAGS
define_path(
    "saved_model",
    None,
    "An export of training.export: saved_models/NAME, of which the newest version is "
    "taken, or saved_models/NAME/VERSION.",
    required=True,
)
flags.DEFINE_string(
    "support", None, "Labelled sentences, say jsonl:FILE or csv:FILE.", required=True
)
flags.DEFINE_list(
    "named", [], "More intents, taught by their names alone, as lost_card,stolen_card."
)
define_path("queries", None, "A .txt, .jsonl or .csv file of questions.", required=True)
define_path("results", None, "A JSON file to write instead of printing.")

# More are answered in several calls, which an export's limits allow in any number.
AT_ONCE = 256


def read_queries(path: Path) -> list[str]:
    """The sentences of a text, JSON lines or CSV file; see `read_texts`."""
    from maml_tf.episodes import read_texts

    return read_texts(path)


def main(argv: list[str]) -> None:
    gc.disable()  # this ends before there is garbage worth looking for
    if FLAGS.results:
        check_output_file(Path(FLAGS.results))
    texts, labels = taught()
    queries = read_queries(Path(FLAGS.queries))
    answers = ask(FLAGS.saved_model, texts, labels, queries)
    if FLAGS.results:
        path = Path(FLAGS.results)
        path.parent.mkdir(parents=True, exist_ok=True)
        found = json.dumps(rows(queries, answers), indent=2, ensure_ascii=False) + "\n"
        write_aside(path, lambda aside: aside.write_text(found, encoding="utf-8"))
        return
    for query, answer in zip(queries, in_words(answers), strict=True):
        print(f"{answer}: {query}")
    print(
        "Each call starts anew; for more questions start a server once: "
        f"maml-tf serve --saved_model={FLAGS.saved_model}",
        file=sys.stderr,
    )


def taught() -> tuple[list[str], list[str]]:
    """Texts and labels of the file and of the flag --named."""
    from maml_tf.episodes import read_corpus
    from maml_tf.episodes.class_names import texts_of_names

    support = read_corpus(FLAGS.support, download=False)
    try:
        by_name = texts_of_names(FLAGS.named)
    except ValueError as error:
        raise app.UsageError(str(error)) from error
    return [*support.texts, *by_name], [*support.labels, *FLAGS.named]


def ask(
    folder: str, texts: Sequence[str], labels: Sequence[str], queries: Sequence[str]
) -> "Answers":
    """What a bot that was taught these texts answers."""
    from maml_tf.bot import Bot
    from maml_tf.serving import Client
    from maml_tf.serving.quick_transport import QuickTransport

    if len(queries) > AT_ONCE:
        return Bot(folder).fit(texts, labels).answer(queries)
    with Client(QuickTransport(folder)) as client:
        answers = client.classify(texts, labels, queries)
    gc.freeze()  # nor when it ends, among all of TensorFlow
    return answers


def in_words(answers: "Answers") -> list[str]:
    """Each answer in a few words, the intent first.

    Example:

    >>> import numpy as np
    >>> from maml_tf.serving import Answers
    >>> chances = np.array([[0.1, 0.9], [0.81, 0.19]])
    >>> in_words(Answers(["track", "refund"], chances, [True, False], ["a", "b"]))
    ['track (0.90)', 'not in scope (closest: refund, 0.81)']
    """
    return [
        f"{intent} ({chance:.2f})"
        if is_in_scope
        else f"not in scope (closest: {intent}, {chance:.2f})"
        for intent, chance, is_in_scope in zip(
            answers.intents,
            answers.probabilities.max(axis=1),
            answers.in_scope,
            strict=True,
        )
    ]


def rows(queries: Sequence[str], answers: "Answers") -> list[dict[str, Any]]:
    """One object a query, for JSON."""
    return [
        {
            "text": text,
            "in_scope": bool(is_in_scope),
            "intent": intent,
            "probabilities": dict(
                zip(answers.class_names, map(float, chances), strict=True)
            ),
        }
        for text, is_in_scope, intent, chances in zip(
            queries,
            answers.in_scope,
            answers.intents,
            answers.probabilities,
            strict=True,
        )
    ]


if __name__ == "__main__":
    run_script(main)
