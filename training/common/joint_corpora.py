"""Several corpora as one: texts, classes numbered over all, and which are held out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maml_tf.episodes import Corpus, CorpusError, read_corpus
from maml_tf.episodes.class_names import name_as_words


@dataclass(frozen=True)
class JointCorpora:
    """The rows of all corpora, one after another, and then the names of their classes.

    Attributes:
        corpora: as they were read.
        texts: of all rows; the last ones are the classes' names in words.
        labels: `[rows]`, the class of each, numbered over all corpora.
        corpus_of: `[rows]`, the corpus of each.
        name_rows: `[classes]`, the row that is the name of a class.
        held_out: `[classes]`, whether a class is kept for validation.
    """

    corpora: tuple[Corpus, ...]
    texts: tuple[str, ...]
    labels: np.ndarray
    corpus_of: np.ndarray
    name_rows: np.ndarray
    held_out: np.ndarray

    @property
    def is_name(self) -> np.ndarray:
        """Of each row, whether it is the name of a class."""
        marks = np.zeros(len(self.texts), bool)
        marks[self.name_rows] = True
        return marks

    def training_labels(self) -> np.ndarray:
        """The labels, and -1 for names and held-out classes."""
        out = self.is_name | self.held_out[self.labels]
        return np.where(out, -1, self.labels)

    def validation_rows(self, corpus: int) -> np.ndarray:
        """The rows of the held-out classes of one corpus."""
        kept = self.held_out[self.labels] & ~self.is_name
        return np.flatnonzero(kept & (self.corpus_of == corpus))


def read_jointly(
    specifications: Sequence[str],
    *,
    validation_share: float = 0.1,
    smallest_validation: int = 5,
    seed: int = 0,
) -> JointCorpora:
    """Reads corpora and holds out classes of each.

    Args:
        specifications: of each corpus, as `read_corpus` takes them.
        validation_share: of the classes of each.
        smallest_validation: the fewest classes to hold out of each.
        seed: fixes which.

    Raises:
        CorpusError: a corpus cannot be read, is given twice, or is left with fewer than
            two classes to train on.
    """
    corpora = tuple(read_corpus(text, seed=seed) for text in specifications)
    texts: list[str] = []
    labels: list[int] = []
    owners: list[int] = []
    names: list[str] = []
    name_owners: list[int] = []
    held_out: list[bool] = []
    for number, corpus in enumerate(corpora):
        if specifications[number] in specifications[:number]:
            raise CorpusError(
                f"--corpus={specifications[number]} is given twice; leave one out."
            )
        classes = corpus.classes
        count = max(smallest_validation, round(validation_share * len(classes)))
        if len(classes) - count < 2:
            raise CorpusError(
                f"{corpus.name} has {len(classes)} classes; {count} of them are for "
                "validation, so at least two more are needed to train on."
            )
        random = np.random.default_rng((seed, number))
        chosen = set(random.permutation(len(classes))[:count].tolist())
        place = {name: len(names) + i for i, name in enumerate(classes)}
        texts += corpus.texts
        labels += [place[label] for label in corpus.labels]
        owners += [number] * len(corpus)
        names += [name_as_words(name) for name in classes]
        name_owners += [number] * len(classes)
        held_out += [i in chosen for i in range(len(classes))]
    rows = len(texts)
    return JointCorpora(
        corpora=corpora,
        texts=(*texts, *names),
        labels=np.array([*labels, *range(len(names))]),
        corpus_of=np.array([*owners, *name_owners]),
        name_rows=np.arange(rows, rows + len(names)),
        held_out=np.array(held_out),
    )
