"""A directory in the published format, tokenised and run through the lower layers."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maml_tf.base_learners.split_encoder import (
    TokenStates,
    UpperEncoder,
    embed_states,
    lower_states,
)
from maml_tf.episodes import ClassSplit, Corpus, CorpusError, read_corpus, split_classes
from training.common.files import write_aside

FILES = ("full.jsonl", "folds.json")


@dataclass(frozen=True)
class IntentData:
    """All texts of a directory: as words, as numbers, as lower layers' outputs.

    Attributes:
        name: the directory's own name.
        folder: the directory.
        corpus: every row of full.jsonl, each (text, label) once.
        states: what the lower layers make of each text.
        key: names files that hold for these texts and this cut alone.
    """

    name: str
    folder: Path
    corpus: Corpus
    states: TokenStates
    key: str

    @property
    def labels(self) -> np.ndarray:
        return np.asarray(self.corpus.labels)

    def rows_of(self, classes: tuple[str, ...]) -> np.ndarray:
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


def prepare(folder: Path, upper: UpperEncoder, cache: Path) -> IntentData:
    """Reads a directory and runs the lower layers, or takes their output from `cache`.

    Args:
        folder: with full.jsonl and folds.json.
        upper: the encoder, cut.
        cache: a directory for the lower layers' output, a few hundred megabytes.
    """
    corpus = read_corpus(f"jsonl:{folder / 'full.jsonl'}")
    described = "\n".join((str(upper.first_layer), *corpus.texts)).encode()
    key = f"{folder.name}-{hashlib.sha256(described).hexdigest()[:12]}"
    path = cache / f"{key}.npz"
    if path.is_file():
        with np.load(path) as held:
            states = TokenStates(held["states"], held["starts"])
    else:
        cache.mkdir(parents=True, exist_ok=True)
        print(f"{folder.name}: lower layers of {len(corpus)} texts", flush=True)
        pieces = [
            upper.preprocessor(list(corpus.texts[i : i + 1024]))
            for i in range(0, len(corpus), 1024)
        ]
        tokens = {
            k: np.concatenate([np.asarray(p[k]) for p in pieces]) for k in pieces[0]
        }
        states = lower_states(upper, tokens)
        write_aside(
            path, lambda p: np.savez(p, states=states.states, starts=states.starts)
        )
    return IntentData(folder.name, folder, corpus, states, key)


def frozen_vectors(data: IntentData, upper: UpperEncoder, cache: Path) -> np.ndarray:
    """The pretrained encoder's vectors `[texts, dim]` of all texts, kept in `cache`."""
    path = cache / f"{data.key}-frozen.npy"
    return kept(path, lambda: embed_states(upper, data.states))


def kept(path: Path, compute: Callable[[], np.ndarray]) -> np.ndarray:
    """The array in the file, computed and written first where there is none."""
    if path.is_file():
        return np.load(path)
    array = compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_aside(path, lambda p: np.save(p, array))
    return array
