"""Teaches an exported model a bot from a file and asks it: files in, JSON out.

    python -m training.predict --saved_model=saved_models/first \\
        --support=jsonl:bot.jsonl --queries=questions.txt --results=answers.json

The support file holds a few sentences of each intent, in any form that --corpus of
training.train reads; --named adds intents by name alone. Queries are one sentence a
line, JSON lines of strings or of objects with a "text", or CSV.
"""

import json
from pathlib import Path

import tensorflow as tf
from absl import app, flags

from maml_tf.episodes import CorpusError, read_corpus, read_texts
from maml_tf.episodes.class_names import texts_of_names
from maml_tf.serving import load_signatures
from maml_tf.serving.results import error_from
from maml_tf.serving.saved_model import version_folder

from .common.files import write_aside
from .common.running import run_script

FLAGS = flags.FLAGS
flags.DEFINE_string(
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
flags.DEFINE_string(
    "queries", None, "A .txt, .jsonl or .csv file of questions.", required=True
)
flags.DEFINE_string("results", None, "A JSON file to write instead of printing.")


def read_queries(path: Path) -> list[str]:
    """The sentences of a text, JSON lines or CSV file; see `read_texts`."""
    return read_texts(path)


def main(argv: list[str]) -> None:
    try:
        version = version_folder(FLAGS.saved_model)
    except FileNotFoundError as error:
        raise app.UsageError(str(error)) from error
    support = read_corpus(FLAGS.support, download=False)
    try:
        by_name = texts_of_names(FLAGS.named)
    except ValueError as error:
        raise app.UsageError(str(error)) from error
    queries = read_queries(Path(FLAGS.queries))
    classify = load_signatures(version)["serving_default"]
    try:
        answer = classify(
            support_texts=tf.constant([*support.texts, *by_name]),
            support_labels=tf.constant([*support.labels, *FLAGS.named]),
            query_texts=tf.constant(queries),
        )
    except tf.errors.InvalidArgumentError as error:
        raise CorpusError(str(error_from("INVALID_ARGUMENT", error.message))) from error
    names = [name.decode() for name in answer["class_names"].numpy()]
    rows = [
        {
            "text": text,
            "intent": intent.decode(),
            "probabilities": dict(
                zip(names, map(float, probabilities), strict=True),
            ),
        }
        for text, intent, probabilities in zip(
            queries,
            answer["intents"].numpy(),
            answer["probabilities"].numpy(),
            strict=True,
        )
    ]
    text = json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
    if FLAGS.results:
        path = Path(FLAGS.results)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_aside(path, lambda aside: aside.write_text(text, encoding="utf-8"))
    else:
        print(text, end="")


if __name__ == "__main__":
    run_script(main)
