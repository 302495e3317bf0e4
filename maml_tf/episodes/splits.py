"""Dividing the classes of a corpus, so that test classes are new."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maml_tf.episodes.corpus import Corpus, CorpusError

NAMES = ("train", "validation", "test")


@dataclass(frozen=True)
class ClassSplit:
    """Three corpora with no class in common."""

    train: Corpus
    validation: Corpus
    test: Corpus


def split_classes(corpus: Corpus, spec: str = "random", *, seed: int = 0) -> ClassSplit:
    """Divides the classes into train, validation and test.

    Args:
        corpus: the labelled texts.
        spec: `random` or `random:0.6,0.2,0.2` by class; `group`, the same shares of
            whole groups, or `group:validation=A+B;test=C`; `file:folds.json#01`, lists
            of labels under train, valid (or validation) and test.
        seed: for the random ones.

    Raises:
        CorpusError: for an unknown specification, an empty part, a class on two sides,
            or labels that the corpus lacks.

    Example:

    >>> corpus = Corpus(tuple("abcdef"), tuple("ABCDEF"))
    >>> len(split_classes(corpus, "random:0.5,0.25,0.25").train)
    3
    """
    kind, _, rest = spec.partition(":")
    if kind == "random":
        sides = _shares(corpus.classes, rest or "0.6,0.2,0.2", seed)
    elif kind == "group":
        sides = _by_group(corpus, rest, seed)
    elif kind == "file":
        sides = _from_file(corpus, rest)
    else:
        raise CorpusError(
            f"The class split {spec!r} is not known; give random, group or "
            "file:PATH#KEY."
        )
    for index, name in enumerate(NAMES):
        if not sides[index]:
            raise CorpusError(
                f"The split {spec!r} leaves no class for {name} of the "
                f"{len(corpus.classes)} in {corpus.name}; change the shares."
            )
        for other in range(index):
            both = sorted(set(sides[index]) & set(sides[other]))
            if both:
                raise CorpusError(f"{both[:3]} stand in {NAMES[other]} and in {name}.")
    return ClassSplit(
        *(
            corpus.select(s, f"{corpus.name} ({n})")
            for s, n in zip(sides, NAMES, strict=True)
        )
    )


def _shares(names: tuple[str, ...], text: str, seed: int) -> list[list[str]]:
    try:
        shares = [float(part) for part in text.split(",")]
        assert len(shares) == 3 and abs(sum(shares) - 1) < 1e-6 and min(shares) > 0
    except (ValueError, AssertionError) as error:
        raise CorpusError(
            f"{text!r} is not three positive shares that add up to 1."
        ) from error
    order = np.random.default_rng(seed).permutation(sorted(names)).tolist()
    ends = np.round(np.cumsum(shares) * len(order)).astype(int)
    return [order[: ends[0]], order[ends[0] : ends[1]], order[ends[1] :]]


def _by_group(corpus: Corpus, rest: str, seed: int) -> list[list[str]]:
    if corpus.groups is None:
        raise CorpusError(f"{corpus.name} has no groups to split by; use random.")
    groups = tuple(sorted(set(corpus.groups)))
    if rest:
        parts = dict(part.partition("=")[::2] for part in rest.split(";"))
        chosen = [parts.get(name, "").split("+") for name in NAMES[1:]]
        unknown = sorted({g for side in chosen for g in side} - set(groups))
        if unknown:
            raise CorpusError(f"{corpus.name} has no groups {unknown}, only {groups}.")
        taken = {group for side in chosen for group in side}
        sides = [[g for g in groups if g not in taken], *chosen]
    else:
        sides = _shares(groups, "0.6,0.2,0.2", seed)
    pairs = set(zip(corpus.labels, corpus.groups, strict=True))
    return [sorted({label for label, g in pairs if g in side}) for side in sides]


def _from_file(corpus: Corpus, rest: str) -> list[list[str]]:
    path, _, key = rest.partition("#")
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        content = content[key] if key else content
        valid = content.get("validation", content.get("valid"))
        sides = [content["train"], valid, content["test"]]
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise CorpusError(
            f"{path} gives no class split under {key or 'its top level'!r} "
            f"({type(error).__name__}: {error})."
        ) from error
    missing = sorted({label for side in sides for label in side} - set(corpus.classes))
    if missing:
        raise CorpusError(f"{path} names classes not in {corpus.name}: {missing[:5]}.")
    return sides
