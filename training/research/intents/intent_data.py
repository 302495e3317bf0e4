"""A directory in the published format, tokenised and run through the lower layers."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maml_tf.base_learners.delta import Delta
from maml_tf.base_learners.split_encoder import UpperEncoder
from maml_tf.episodes import ClassSplit, Corpus, CorpusError, read_corpus, split_classes
from maml_tf.evaluation.seen import refuse_seen
from training.research.intents.kept_vectors import KeptStates, kept_states

FILES = ("full.jsonl", "folds.json")


@dataclass(frozen=True)
class IntentData:
    """All texts of a directory: as words, as numbers, as lower layers' outputs.

    Attributes:
        name: the directory's own name.
        folder: the directory.
        corpus: every row of full.jsonl, each (text, label) once.
        lower: what the lower layers make of each text.
    """

    name: str
    folder: Path
    corpus: Corpus
    lower: KeptStates

    @property
    def labels(self) -> np.ndarray:
        return np.asarray(self.corpus.labels)

    def rows_of(self, classes: Sequence[str]) -> np.ndarray:
        """The numbers of the texts whose label is among `classes`."""
        return np.flatnonzero(np.isin(self.labels, classes))

    def training_rows(self, fold: str, regime: str) -> np.ndarray:
        """Texts of the fold's training classes; few of them in the regime `low`.

        Raises:
            CorpusError: for rows of the low regime that full.jsonl or the training
                classes lack.
        """
        rows = self.rows_of(self.split(fold).train.classes)
        if regime == "full":
            return rows
        path = self.folder / f"fold{fold}.train10.jsonl"
        few = read_corpus(f"jsonl:{path}")
        wanted = set(zip(few.texts, few.labels, strict=True))
        texts, labels = self.corpus.texts, self.corpus.labels
        kept = [row for row in rows if (texts[row], labels[row]) in wanted]
        if len(kept) != len(wanted):
            raise CorpusError(
                f"{path} has {len(wanted) - len(kept)} rows that are no training rows "
                f"of fold {fold} in full.jsonl; mend that file."
            )
        return np.asarray(kept)

    def split(self, fold: str) -> ClassSplit:
        return split_classes(self.corpus, f"file:{self.folder / 'folds.json'}#{fold}")

    def content(self, fold: str, regime: str) -> dict[str, str]:
        """Digests of what a result on a fold depends on: texts, and who is in what."""
        split = self.split(fold)
        division = {
            "training rows": self.training_rows(fold, regime).tolist(),
            "validation": split.validation.classes,
            "test": split.test.classes,
        }
        told = json.dumps(division).encode()
        return {
            "corpus": self.corpus.digest(),
            "fold": hashlib.sha256(told).hexdigest(),
            "states": self.lower.digest,
        }


def fold_names(folder: Path) -> tuple[str, ...]:
    """The folds of a directory, in order.

    Raises:
        CorpusError: if a file is missing or folds.json is not an object of folds.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise CorpusError(
            f"{folder} has no {' and no '.join(missing)}; a data set is a directory "
            "with full.jsonl and folds.json."
        )
    try:
        folds = json.loads((folder / "folds.json").read_text(encoding="utf-8"))
    except ValueError:
        folds = None
    if not isinstance(folds, dict) or not folds:
        raise CorpusError(
            f'{folder}/folds.json is not an object like {{"01": {{"train": …}}}}.'
        )
    return tuple(sorted(folds))


def refuse_seen_folds(folder: Path, folds: Sequence[str], delta: Delta | None) -> None:
    """Refuses a data set whose test classes meta-training of the encoder has seen.

    Raises:
        CorpusError: naming the delta and what it has seen.
    """
    if delta is None:
        return
    corpus = read_corpus(f"jsonl:{folder / 'full.jsonl'}")
    for fold in folds:
        division = split_classes(corpus, f"file:{folder / 'folds.json'}#{fold}")
        refuse_seen(division.test, delta=delta)


def prepare(folder: Path, upper: UpperEncoder, work_dir: Path) -> IntentData:
    """Reads a directory and runs the lower layers, or takes their output from a run.

    Args:
        folder: with full.jsonl and folds.json.
        upper: the encoder, cut, with its pretrained weights.
        work_dir: keeps the lower layers' output, a few hundred megabytes.

    Raises:
        CorpusError: if the directory is no data set.
    """
    fold_names(folder)
    corpus = read_corpus(f"jsonl:{folder / 'full.jsonl'}")
    lower = kept_states(corpus.texts, upper, work_dir, folder.name)
    return IntentData(folder.name, folder, corpus, lower)
