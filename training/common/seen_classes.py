"""What a run has seen, and whether a corpus to judge on holds any of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from absl import flags

from maml_tf.episodes import Corpus, CorpusError
from maml_tf.episodes.same_text import text_digest

from .files import write_json
from .run import IDENTITY, RunError, read_config
from .settings import FLAGS
from .task_data import read_task_data

flags.DEFINE_enum(
    "seen_classes",
    "refuse",
    ("refuse", "leave_out", "label"),
    "What becomes of classes to judge on that the model was trained or chosen on: "
    "refuse them all, judge on the others, or judge on them too and say so.",
)

CLASSES = "classes.json"


@dataclass(frozen=True)
class Seen:
    """Classes and texts that a model was trained or chosen on.

    Attributes:
        where: whose they are, for messages.
        labels: digests of the classes' names; see `text_digest`.
        texts: digests of their texts.
        corpus: the digest of the corpus they come from.
    """

    where: str
    labels: frozenset[str]
    texts: frozenset[str]
    corpus: str = ""


@dataclass(frozen=True)
class Judged:
    """What there is to judge on.

    Attributes:
        corpus: without what was left out.
        seen: the classes of it that the model has seen, which were kept all the same.
    """

    corpus: Corpus
    seen: tuple[str, ...] = ()


def record_classes(folder: Path, parts: Mapping[str, Corpus]) -> None:
    """Writes the classes of each part, with a digest of every text, beside a run."""
    write_json(
        folder / CLASSES, {name: part.text_digests() for name, part in parts.items()}
    )


def seen_by_run(folder: Path) -> Seen:
    """What the run in a folder was trained and validated on.

    Raises:
        RunError: if the folder does not tell.
    """
    path = folder / CLASSES
    try:
        parts = json.loads(path.read_text(encoding="utf-8"))
        labels = {text_digest(label) for part in parts.values() for label in part}
        texts = {
            str(text)
            for part in parts.values()
            for digests in part.values()
            for text in digests
        }
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise RunError(
            f"{path} does not tell which classes the run has seen "
            f"({type(error).__name__}), so it cannot be judged on new ones; give its "
            "training.train command again, which writes the file."
        ) from error
    content = read_config(folder).get(IDENTITY, {}).get("content", {})
    return Seen(
        str(folder), frozenset(labels), frozenset(texts), content.get("corpus", "")
    )


def judged_corpus(folder: Path) -> Judged:
    """The test classes that the flags name, as far as the run has not seen them.

    Raises:
        CorpusError: for seen classes, unless --seen_classes says otherwise.
        RunError: if the folder does not tell what its run has seen.
    """
    seen, data = seen_by_run(folder), read_task_data()
    return unseen_part(
        data.split.test,
        seen,
        corpus_digest=data.corpus.digest(),
        policy=FLAGS.seen_classes,
    )


def unseen_part(
    test: Corpus, seen: Seen, *, corpus_digest: str, policy: str = "refuse"
) -> Judged:
    """The corpus, provided that none of it was seen.

    In the run's own corpus, divided as the run divided it, a text may still stand under
    a training class and under a test class. Such texts are left out.

    Args:
        test: what is to be judged on.
        seen: what the model knows.
        corpus_digest: of the whole corpus that `test` is a part of.
        policy: for seen classes, those with the label or with any text of a class that
            was seen: "refuse", "leave_out" or "label", which keeps them and names them
            in the result.

    Raises:
        CorpusError: for seen classes under "refuse", or when nothing is left.

    Example:

    >>> greet, hi = (frozenset({text_digest(text)}) for text in ("greet", "hi"))
    >>> seen = Seen("runs/first", greet, hi)
    >>> test = Corpus(("Hi", "so long", "pay me"), ("hello", "bye", "pay"))
    >>> unseen_part(test, seen, corpus_digest="", policy="leave_out").corpus.classes
    1 classes that runs/first has seen are left out: hello.
    ('bye', 'pay')
    """
    digests = [text_digest(text) for text in test.texts]
    known_texts = [digest in seen.texts for digest in digests]
    by_label = {name for name in test.classes if text_digest(name) in seen.labels}
    if not by_label and corpus_digest and corpus_digest == seen.corpus:
        return Judged(_without_texts(test, known_texts, seen))
    by_text = {
        label for label, known in zip(test.labels, known_texts, strict=True) if known
    }
    classes = tuple(sorted({*by_label, *by_text}))
    if not classes:
        return Judged(test)
    if policy == "label":
        return Judged(test, classes)
    if policy == "leave_out":
        return Judged(without_classes(test, classes, seen.where))
    raise CorpusError(
        f"{len(classes)} of the {len(test.classes)} classes to judge on were seen by "
        f"{seen.where}, by label or by text: {_told(classes)}. "
        f"{_reason(corpus_digest, seen)} --seen_classes=leave_out judges on the "
        "others, --seen_classes=label on all, and says so."
    )


def without_classes(corpus: Corpus, classes: tuple[str, ...], by: str) -> Corpus:
    """The corpus without the classes that were seen, which are told.

    Args:
        corpus: to be judged on.
        classes: to leave out.
        by: what has seen them, for messages.

    Raises:
        CorpusError: when nothing is left.
    """
    left = [name for name in corpus.classes if name not in classes]
    if not left:
        raise CorpusError(
            f"All {len(classes)} classes to judge on were seen by {by}: "
            f"{_told(classes)}; give another corpus."
        )
    print(
        f"{len(classes)} classes that {by} has seen are left out: {_told(classes)}.",
        flush=True,
    )
    return corpus.select(left)


def _told(classes: tuple[str, ...]) -> str:
    return f"{', '.join(classes[:5])}{', …' if len(classes) > 5 else ''}"


def _reason(corpus_digest: str, seen: Seen) -> str:
    if corpus_digest == seen.corpus:
        return "Leave --class_split and --split_seed as the run has them."
    return (
        "The corpus is not the one of the training, or it has changed since; give one "
        "whose classes are new."
    )


def _without_texts(test: Corpus, known_texts: list[bool], seen: Seen) -> Corpus:
    if not any(known_texts):
        return test
    if all(known_texts):
        raise CorpusError(
            f"All texts to judge on were seen by {seen.where} under other labels; give "
            "another corpus."
        )
    kept = [row for row, known in enumerate(known_texts) if not known]
    print(
        f"{len(test) - len(kept)} texts that also stand under a class of the training "
        "are left out."
    )
    groups, templates = (
        None if column is None else tuple(column[row] for row in kept)
        for column in (test.groups, test.templates)
    )
    return Corpus(
        tuple(test.texts[row] for row in kept),
        tuple(test.labels[row] for row in kept),
        groups,
        templates,
        name=test.name,
    )
