"""What the scripts share: the flags of a corpus and of the tasks drawn from it."""

from pathlib import Path
from typing import Any, TypedDict

from absl import flags

from .flag_types import define_count, define_path, define_seed
from .run import RunError, read_config

flags.DEFINE_string(
    "corpus",
    "home_assistant_intents:en",
    "Labelled texts: home_assistant_intents:en,de | jsonl:FILE | csv:FILE | "
    "rasa:PATH | tfds:NAME | directory:PATH.",
)
flags.DEFINE_string(
    "text_column", None, "The column of a CSV file, or field of JSON lines, of texts."
)
flags.DEFINE_string(
    "label_column", None, "The column of a CSV file, or field of JSON lines, of labels."
)
flags.DEFINE_string(
    "class_split",
    "random",
    "How classes are divided into train, validation and test: random | "
    "random:0.6,0.2,0.2 | group | file:folds.json#01.",
)
define_count("ways", 5, "Classes in a task.", least=2)
define_count("shots", 5, "Support examples of each class.")
define_count("queries", 5, "Query examples of each class.")
define_seed(
    "seed",
    0,
    "Fixes the episodes, the weights and, unless --split_seed is given, the class "
    "split.",
)
define_seed(
    "split_seed",
    None,
    "Fixes the random class split, and the sentences of home_assistant_intents; by "
    "default what --seed says, or the run's own where a run is judged.",
)
define_path("data_dir", None, "Where TFDS keeps prepared data sets.")
flags.DEFINE_bool("download", False, "Let TFDS download a data set.")

FLAGS = flags.FLAGS
# What a run's config.json keeps of these for the scripts that come after it: what is
# drawn from, and the shape of what is drawn.
CORPUS_FLAGS = ("corpus", "text_column", "label_column", "class_split", "split_seed")
TASK_FLAGS = (*CORPUS_FLAGS, "ways", "shots", "queries", "seed")


def task_settings() -> dict[str, Any]:
    """The values of `TASK_FLAGS`, the split's seed as it is used."""
    return {name: FLAGS[name].value for name in TASK_FLAGS} | {
        "split_seed": split_seed()
    }


def split_seed() -> int:
    """The seed of the class split: --split_seed, or --seed where that is not given."""
    return FLAGS.seed if FLAGS.split_seed is None else FLAGS.split_seed


def adopt_settings_of_run(folder: Path) -> dict[str, Any]:
    """Gives every task flag that the command line leaves out the run's own value.

    --seed alone then draws other episodes from the classes that the run divided with
    its own seed. A corpus of the command line's own has classes of its own, so what
    divides the run's is left alone.

    Returns:
        The run's config.json.

    Raises:
        RunError: if the folder holds no run.
    """
    config = read_config(folder)
    if not config:
        raise RunError(
            f"{folder} has no config.json; give the --output_dir of a finished "
            "training.train as --model_dir."
        )
    missing = [name for name in TASK_FLAGS if name not in config]
    if missing:
        raise RunError(f"{folder}/config.json does not tell the run's {missing[0]}.")
    foreign = FLAGS["corpus"].present and FLAGS.corpus != config["corpus"]
    for name in TASK_FLAGS:
        if FLAGS[name].present or (foreign and name in CORPUS_FLAGS):
            continue
        value = config[name]
        if value is None and FLAGS[name].default is not None:
            raise RunError(f"{folder}/config.json has no value for {name}.")
        try:
            setattr(
                FLAGS, name, value if value is None else FLAGS[name].parser.parse(value)
            )
        except (ValueError, TypeError, flags.Error) as error:
            raise RunError(f"{folder}/config.json: {name}: {error}") from error
    return config


class TaskShape(TypedDict):
    """How many classes a task has, and examples of each on either side."""

    ways: int
    shots: int
    queries: int


def shape_of_tasks() -> TaskShape:
    """The shape that the flags say."""
    return {"ways": FLAGS.ways, "shots": FLAGS.shots, "queries": FLAGS.queries}
