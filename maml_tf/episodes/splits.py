"""Dividing the classes of a corpus, so that test classes are new."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maml_tf.episodes.corpus import Corpus, CorpusError
from maml_tf.episodes.fields import clean_label
from maml_tf.episodes.json_rows import parse_json

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
    except ValueError:
        shares = []
    if len(shares) != 3 or not abs(sum(shares) - 1) < 1e-6 or min(shares) <= 0:
        raise CorpusError(f"{text!r} is not three positive shares that add up to 1.")
    order = np.random.default_rng(seed).permutation(sorted(names)).tolist()
    ends = np.round(np.cumsum(shares) * len(order)).astype(int)
    return [order[: ends[0]], order[ends[0] : ends[1]], order[ends[1] :]]


def _by_group(corpus: Corpus, rest: str, seed: int) -> list[list[str]]:
    if corpus.groups is None:
        raise CorpusError(f"{corpus.name} has no groups to split by; use random.")
    groups = tuple(sorted(set(corpus.groups)))
    if rest:
        parts = dict(part.partition("=")[::2] for part in rest.split(";"))
        strange = sorted(set(parts) - set(NAMES[1:]))
        if strange or len(parts) < len(rest.split(";")):
            what = f"{strange[0]!r:.40}" if strange else "a part twice"
            raise CorpusError(
                f"The class split 'group:{rest}' names {what}; write "
                "group:validation=A+B;test=C, all other groups are for training."
            )
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
        text = Path(path).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise CorpusError(f"The class split {path!r:.200} cannot be read.") from error
    content = parse_json(text, path)
    where = f"{path}, under {key!r}," if key else path
    if key:
        if not isinstance(content, dict) or key not in content:
            keys = (
                ", ".join(map(repr, content)) if isinstance(content, dict) else "none"
            )
            raise CorpusError(f"{path} has no key {key!r}; it has {keys:.200}.")
        content = content[key]
    if not isinstance(content, dict):
        raise CorpusError(
            f"{where} holds no class split; give an object with lists of labels under "
            "train, valid and test."
        )
    if "validation" in content and "valid" in content:
        raise CorpusError(f"{where} has both valid and validation; keep one of them.")
    sides = []
    for name in NAMES:
        found = "valid" if name == "validation" and "valid" in content else name
        if found not in content:
            raise CorpusError(
                f"{where} has no {name}; its keys are "
                f"{', '.join(map(repr, content)) or 'none'}."
            )
        sides.append(_labels(content[found], f"{where}: {found}"))
    known = set(corpus.classes)
    missing = sorted({label for side in sides for label in side} - known)
    if missing:
        raise CorpusError(f"{path} names classes not in {corpus.name}: {missing[:5]}.")
    return sides


def _labels(value: Any, place: str) -> list[str]:
    """A list of labels, each once."""
    if not isinstance(value, list):
        raise CorpusError(f"{place} is no list of labels; write them in brackets.")
    labels = [clean_label(label, f"{place}[{i}]") for i, label in enumerate(value)]
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        raise CorpusError(f"{place} names {twice[0]!r:.60} twice; keep one of them.")
    return labels
