"""Whether a corpus was already seen by the delta that an encoder starts from.

Accuracy on texts or classes of meta-training says nothing of new ones. A delta keeps a
digest of every text and class it has seen, so that a corpus can be checked without its
training data.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maml_tf.base_learners.delta import Delta, shipped_deltas
from maml_tf.episodes.class_names import name_as_words
from maml_tf.episodes.corpus import Corpus, CorpusError
from maml_tf.episodes.same_text import text_digest

# "what time is it" is in everybody's corpus; a share like this is no copy.
LARGEST_CHANCE = 0.01
# Nor is a common name, such as "greeting", for a class of one's own.
LARGEST_NAME_CHANCE = 0.1


@dataclass(frozen=True)
class Overlap:
    """What a delta has seen of a corpus.

    Attributes:
        corpus: the corpus' name.
        delta: the delta's name.
        rows: numbers of its rows whose text was seen, ascending.
        size: how many rows it has.
        classes: those of its classes that a class of a training corpus shares its name
            with, in words.
        class_count: how many classes it has.
    """

    corpus: str
    delta: str
    rows: tuple[int, ...]
    size: int
    classes: tuple[str, ...]
    class_count: int

    @property
    def is_leak(self) -> bool:
        """Whether it is more than what two corpora share by chance."""
        return (
            len(self.rows) > LARGEST_CHANCE * self.size
            or len(self.classes) > LARGEST_NAME_CHANCE * self.class_count
        )

    def __str__(self) -> str:
        return (
            f"{self.corpus} was seen in the meta-training of the delta "
            f"{self.delta!r}: {len(self.rows)} of its {self.size} texts and the names "
            f"of {len(self.classes)} of its {self.class_count} classes"
        )


def seen_by(delta: Delta, corpus: Corpus) -> Overlap:
    """Compares a corpus with what a delta was trained and validated on.

    Texts are compared by `text_digest`, so not by case or blanks; names of classes in
    words, so that "cardArrival" is "card_arrival".

    Example:

    >>> made = Delta({}, {}, digests(["Where is my card?"]), class_digests(["arrival"]))
    >>> corpus = Corpus(("where is my card?", "bye"), ("card", "leave"))
    >>> overlap = seen_by(made, corpus)
    >>> overlap.rows, overlap.classes, overlap.is_leak
    ((0,), (), True)
    """
    rows = np.flatnonzero(np.isin(digests(corpus.texts), delta.seen_texts))
    known = np.isin(class_digests(corpus.classes), delta.seen_classes)
    return Overlap(
        corpus=corpus.name,
        delta=delta.card.get("name", ""),
        rows=tuple(rows.tolist()),
        size=len(corpus),
        classes=tuple(
            name for name, seen in zip(corpus.classes, known, strict=True) if seen
        ),
        class_count=len(corpus.classes),
    )


def refuse_seen(
    corpus: Corpus, *, delta: Delta | None = None, allow: bool = False
) -> Overlap | None:
    """Refuses to judge by a corpus that the delta has seen.

    Args:
        corpus: what accuracy is to be measured on.
        delta: of the encoder; None for the one inside the package.
        allow: only report the overlap, for a result that says so.

    Returns:
        The overlap; None where there is no delta.

    Raises:
        CorpusError: the overlap is a leak and `allow` is not set.
    """
    delta = delta or shipped_delta()
    if delta is None:
        return None
    overlap = seen_by(delta, corpus)
    if overlap.is_leak and not allow:
        raise CorpusError(
            f"{overlap}, so that accuracy on it says nothing of new bots; judge by "
            "another corpus, start from pretrained='base', or judge it all the same by "
            "allow=True or --seen_classes=label."
        )
    return overlap


def shipped_delta(path: Path | None = None) -> Delta | None:
    """The delta of the default encoder inside the package, if there is one."""
    paths = [path] if path else sorted(shipped_deltas().values())
    return Delta.load(paths[0]) if paths else None


def delta_of(base_learner: str | None, pretrained: str | None) -> Delta | None:
    """The delta that an encoder of these names starts from, if any.

    Args:
        base_learner: the preset; None for the default one.
        pretrained: as in `create_text_encoder`.

    Raises:
        BaseLearnerError: if `pretrained` is a file that is no delta.
    """
    if pretrained == "base":
        return None
    if pretrained not in (None, "meta"):
        return Delta.load(pretrained)
    for path in shipped_deltas().values():
        delta = Delta.load(path)
        if base_learner in (None, delta.card["base"].get("preset")):
            return delta
    return None


def digests(texts: Iterable[str]) -> np.ndarray:
    """A number for each text, `uint64`, as deltas keep them."""
    return np.array([int(text_digest(text), 16) for text in texts], "uint64")


def class_digests(names: Iterable[str]) -> np.ndarray:
    """A number for each class by the words of its name, `uint64`."""
    return digests(name_as_words(name) for name in names)
