"""What the scripts share: the flags of a task, and the data they name."""

import json
from pathlib import Path

from absl import flags

from maml_tf.episodes import (
    EncodedCorpus,
    encode_corpus,
    read_corpus,
    split_classes,
)

flags.DEFINE_string(
    "corpus",
    "home_assistant_intents:en",
    "Labelled texts: home_assistant_intents:en,de | jsonl:FILE | csv:FILE | "
    "rasa:PATH | tfds:NAME | directory:PATH.",
)
flags.DEFINE_string(
    "class_split",
    "random",
    "How classes are divided into train, validation and test: random | "
    "random:0.6,0.2,0.2 | group | file:folds.json#01.",
)
flags.DEFINE_integer("ways", 5, "Classes in a task.", lower_bound=2)
flags.DEFINE_integer("shots", 5, "Support examples of each class.", lower_bound=1)
flags.DEFINE_integer("queries", 5, "Query examples of each class.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Fixes the class split, the episodes and the weights.")
flags.DEFINE_string("data_dir", None, "Where TFDS keeps prepared data sets.")
flags.DEFINE_bool("download", False, "Let TFDS download a data set.")

FLAGS = flags.FLAGS
# What a run's config.json keeps of these for the scripts that come after it.
TASK_FLAGS = ("corpus", "class_split", "ways", "shots", "queries", "seed")


def adopt_settings_of_run(folder: Path) -> None:
    """Gives every task flag that the command line leaves out the run's own value.

    A corpus of the command line's own has classes of its own, so the run's class split
    is then left alone.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    foreign = FLAGS["corpus"].present and FLAGS.corpus != config["corpus"]
    for name in TASK_FLAGS:
        if not FLAGS[name].present and not (foreign and name == "class_split"):
            setattr(FLAGS, name, config[name])


def encoded_splits(preprocessor, names: tuple[str, ...]) -> dict[str, EncodedCorpus]:
    """Reads the corpus, splits its classes and tokenises the splits that are named."""
    corpus = read_corpus(
        FLAGS.corpus, seed=FLAGS.seed, data_dir=FLAGS.data_dir, download=FLAGS.download
    )
    split = split_classes(corpus, FLAGS.class_split, seed=FLAGS.seed)
    return {name: encode_corpus(getattr(split, name), preprocessor) for name in names}


def shape_of_tasks() -> dict[str, int]:
    return {"ways": FLAGS.ways, "shots": FLAGS.shots, "queries": FLAGS.queries}
