"""Does meta-training on other languages help with intents of a new language?

    python -m training.languages --results=results/languages.json

A small encoder that spells letter by letter, from scratch, or a preset is meta-trained
on the built-in corpus in some languages and judged on 5-way tasks in languages that it
never saw, beside itself untrained and beside counts of shared character trigrams.
Sentences of one template never stand on both sides of a task.
"""

import json
import unicodedata
from pathlib import Path
from typing import Any

import keras
import numpy as np
from absl import app, flags

from maml_tf.base_learners import create_text_encoder
from maml_tf.base_learners.vocabulary import SPECIAL_TOKENS
from maml_tf.episodes import Corpus, encode_corpus, read_corpus
from maml_tf.evaluation import mean_with_interval
from maml_tf.evaluation.features import Embedder
from maml_tf.evaluation.vector_episodes import vector_episode_accuracies
from training.common.files import write_aside
from training.common.flag_types import define_count, define_path
from training.common.rotation_settings import RotationSettings
from training.common.running import run_script
from training.common.tables import markdown_table, percent
from training.research.intents.kept_training import train_kept
from training.research.intents.trigrams import trigram_vectors

FLAGS = flags.FLAGS
flags.DEFINE_list(
    "train_languages",
    ["de", "es", "it", "nl", "pl", "sv", "pt", "cs", "fi", "hu", "sk", "ru"],
    "To learn from.",
)
flags.DEFINE_list("test_languages", ["da", "fr", "ro", "uk", "el"], "Never seen.")
flags.DEFINE_string(
    "base_learner",
    None,
    "A multilingual preset, as training.train takes it; by default an encoder from "
    "scratch that spells.",
)
define_count("steps", 300, "Meta-steps of each model.", least=1)
define_count("episodes", 300, "Test tasks a language.", least=2)
define_path("results", "results/languages.json", "The JSON file to write.")
define_path("work_dir", "runs/languages", "Checkpoints.")
LENGTH = 48
SPELLER = "scratch:num_layers=2,hidden_dim=64,num_heads=2,intermediate_dim=128"
FROM_SCRATCH, FROM_PRESET = 1e-3, 5e-5


def letters(texts: tuple[str, ...]) -> list[str]:
    """A vocabulary of every letter, alone and as a continuation of a word."""
    text = unicodedata.normalize("NFD", "".join(texts).lower())
    found = sorted(
        {c for c in text if not c.isspace() and not unicodedata.combining(c)}
    )
    return [*SPECIAL_TOKENS, *found, *(f"##{c}" for c in found)]


def accuracies(vectors: np.ndarray, part: Corpus, shots: int) -> np.ndarray:
    """The share of right queries in each of `--episodes` 5-way tasks."""
    return vector_episode_accuracies(
        vectors,
        np.asarray(part.labels),
        shots=shots,
        episodes=FLAGS.episodes,
        templates=np.asarray(part.templates),
    )


def make_encoder(vocabulary: list[str]) -> keras.Model:
    return create_text_encoder(
        FLAGS.base_learner or SPELLER,
        vocabulary=None if FLAGS.base_learner else vocabulary,
        sequence_length=LENGTH,
        pretrained="base",
        normalize=True,
        seed=0,
    )


def main(argv: list[str]) -> None:
    languages = [*FLAGS.train_languages, "en", *FLAGS.test_languages]
    if len(set(languages)) < len(languages):
        raise app.UsageError("A language may be named once: en, training or test.")
    corpus = read_corpus(f"home_assistant_intents:{','.join(languages)}")
    vocabulary = letters(corpus.texts)
    trainings = {
        "untrained": (),
        "trained on English": ("en",),
        f"trained on {len(FLAGS.train_languages)} languages": FLAGS.train_languages,
    }
    spoken = np.asarray(corpus.groups)
    asked = np.flatnonzero(np.isin(spoken, FLAGS.test_languages))
    texts = tuple(corpus.texts[row] for row in asked)
    vectors = {"trigrams": trigram_vectors(texts)}
    encoded = encode_corpus(corpus, make_encoder(vocabulary).preprocessor)
    templates, lengths = np.asarray(encoded.templates), np.asarray(encoded.lengths)
    rate = FROM_PRESET if FLAGS.base_learner else FROM_SCRATCH
    settings = RotationSettings(FLAGS.steps, ways=12, learning_rate=rate)
    for name, chosen in trainings.items():
        encoder = make_encoder(vocabulary)
        if chosen:
            rows = np.flatnonzero(np.isin(spoken, chosen))
            train_kept(
                encoder,
                {key: array[rows] for key, array in encoded.inputs.items()},
                encoded.labels[rows],
                settings,
                work_dir=Path(FLAGS.work_dir),
                name=f"{len(chosen)}-languages",
                groups=spoken[rows],
                templates=templates[rows],
                jit_compile=False,
            )
        inputs = {key: array[asked] for key, array in encoded.inputs.items()}
        vectors[name] = Embedder(encoder, batch_size=256).embed_rows(
            inputs, np.arange(len(asked)), lengths[asked]
        )
    found = []
    for language in FLAGS.test_languages:
        rows = np.flatnonzero(spoken[asked] == language)
        part = corpus.select({corpus.labels[row] for row in asked[rows]})
        for name, array in vectors.items():
            for shots in (1, 5):
                score = mean_with_interval(accuracies(array[rows], part, shots))
                found.append(
                    {
                        "language": language,
                        "encoder": name,
                        "shots": shots,
                        "accuracy": round(score.mean, 4),
                        "ci95": round(score.ci95, 4),
                    }
                )
    path = Path(FLAGS.results)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n ".join(map(json.dumps, found))
    write_aside(path, lambda aside: aside.write_text(f"[{lines}]\n"))
    table = _table(found)
    write_aside(path.with_suffix(".md"), lambda aside: aside.write_text(table + "\n"))
    print(table)


def _table(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(row["encoder"] for row in rows))
    cells = {(r["language"], r["shots"], r["encoder"]): r for r in rows}
    places = dict.fromkeys((r["language"], r["shots"]) for r in rows)
    lines = []
    for language, shots in places:
        mine = [cells[language, shots, name] for name in names]
        scores = [percent(row["accuracy"], row["ci95"]) for row in mine]
        lines.append([f"{language}, {shots}", *scores])
    return markdown_table(["language, shots", *names], lines)


if __name__ == "__main__":
    run_script(main)
