"""A multilingual encoder as it is against character trigrams, in every language.

    python -m training.multilingual --base_learner=DIR --text_prefix="query: " \\
        --results=results/multilingual.json

DIR holds multilingual-e5-small or its kind. The intents of the built-in corpus are
divided into three parts, the same in all languages: bots of five test intents are
learned by nearest prototype; training intents give what is adapted in closed form, a
centre or a whitening; validation intents choose between these. All kinds of vectors are
asked the same tasks, and sentences of one template never stand on both sides of one.
"""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from absl import flags

from maml_tf.base_learners import create_text_encoder
from maml_tf.episodes import Corpus, read_corpus
from maml_tf.evaluation.features import Embedder
from training.common.digests import encoder_digest
from training.common.files import write_aside
from training.common.flag_types import define_count, define_path, define_seed
from training.common.run import Run
from training.common.running import run_script
from training.common.share_by_classes import first_of_each
from training.research.intents.language_rows import Row, judge, report
from training.research.intents.language_vectors import Language, divide

FLAGS = flags.FLAGS
flags.DEFINE_string("languages", "all", "Of home_assistant_intents, as en,de,zh-CN.")
flags.DEFINE_string("base_learner", None, "The encoder.", required=True)
flags.DEFINE_string("text_prefix", "", 'What it wants before a text: "query: ".')
define_count("sequence_length", 48, "Longest text in tokens.", least=4)
define_count("texts", 30, "Of an intent and language, at most.", least=6)
define_count("episodes", 600, "Test tasks a language and number of examples.", least=2)
define_count("validation_episodes", 200, "To choose by.", least=2)
define_seed("seed", 0, "Fixes the division of the intents and the tasks.")
define_path("results", "results/multilingual.json", "The JSON file to write.")
define_path("work_dir", "runs/multilingual", "Vectors.")


@dataclass(frozen=True)
class VectorSettings:
    """All that is chosen of the vectors of a language."""

    base_learner: str
    text_prefix: str
    sequence_length: int
    texts: int
    language: str


def read_languages() -> list[Language]:
    """Every language with its vectors, which are kept."""
    corpus = read_corpus(f"home_assistant_intents:{FLAGS.languages}")
    several = len(set(corpus.groups or ())) > 1
    intents = np.array(
        [label.partition("/")[2] if several else label for label in corpus.labels]
    )
    part_of = divide(sorted(set(intents.tolist())), FLAGS.seed)
    encoder = create_text_encoder(
        FLAGS.base_learner,
        pretrained="base",
        normalize=True,
        sequence_length=FLAGS.sequence_length,
        text_prefix=FLAGS.text_prefix,
    )
    digest, embedder = encoder_digest(encoder), Embedder(encoder, batch_size=128)
    found = []
    for name in sorted(set(corpus.groups or ())):
        rows = np.flatnonzero(np.asarray(corpus.groups) == name)
        rows = np.sort(first_of_each(rows, intents[rows], FLAGS.texts))
        own = _rows_of(corpus, rows)
        settings = VectorSettings(
            FLAGS.base_learner,
            FLAGS.text_prefix,
            FLAGS.sequence_length,
            FLAGS.texts,
            name,
        )
        content = {"encoder": digest, "corpus": own.digest()}
        with Run.within(FLAGS.work_dir, name, settings, content) as run:
            print(f"{name}: {len(rows)} sentences", flush=True)
            embed = partial(embedder.embed_texts, list(own.texts))
            vectors = run.array("vectors", embed)
        parts = np.array([part_of[intent] for intent in intents[rows]])
        found.append(Language(name, own, intents[rows], parts, vectors))
    return found


def _rows_of(corpus: Corpus, rows: np.ndarray) -> Corpus:
    columns = (corpus.texts, corpus.labels, corpus.groups or (), corpus.templates or ())
    texts, labels, groups, templates = (
        tuple(column[row] for row in rows) for column in columns
    )
    return Corpus(texts, labels, groups, templates, name=corpus.name)


def main(argv: list[str]) -> None:
    languages = read_languages()
    counts = {"validation": FLAGS.validation_episodes, "test": FLAGS.episodes}
    rows: list[Row] = []
    for language in languages:
        others = [
            other
            for other in languages
            if other is not language and "training" in other.parts
        ]
        for part in counts:
            if "training" in language.parts and language.can_judge(part):
                rows += judge(
                    language, others, part, episodes=counts[part], seed=FLAGS.seed
                )
            else:
                print(f"{language.name} has too few {part} intents.", flush=True)
        print(language.name, flush=True)
    path = Path(FLAGS.results)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n ".join(map(json.dumps, rows))
    write_aside(path, lambda aside: aside.write_text(f"[{lines}]\n"))
    text = report(rows)
    write_aside(path.with_suffix(".md"), lambda aside: aside.write_text(text + "\n"))
    print(text)


if __name__ == "__main__":
    run_script(main)
