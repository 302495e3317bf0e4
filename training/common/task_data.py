"""The corpus that the flags name: read, divided, and checked before any long work."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from maml_tf.episodes import (
    ClassSplit,
    Corpus,
    SamplingError,
    read_corpus,
    split_classes,
)
from maml_tf.episodes.sampler import large_classes

from .settings import FLAGS, TaskShape, shape_of_tasks, split_seed


@dataclass(frozen=True)
class TaskData:
    """A corpus and how its classes are divided."""

    corpus: Corpus
    split: ClassSplit

    def seen_parts(self) -> dict[str, Corpus]:
        """What training sees."""
        return {"train": self.split.train, "validation": self.split.validation}

    def parts(self) -> dict[str, Corpus]:
        """The three corpora by name."""
        return {**self.seen_parts(), "test": self.split.test}

    def digests(self) -> dict[str, str]:
        """What a run depends on: the texts, and the division of their classes."""
        classes = {name: part.classes for name, part in self.parts().items()}
        division = hashlib.sha256(json.dumps(classes).encode()).hexdigest()
        return {"corpus": self.corpus.digest(), "class split": division}


def read_task_data() -> TaskData:
    """Reads and divides the corpus that the flags name.

    Raises:
        CorpusError: if it cannot be read, or divided as asked.
    """
    corpus = read_corpus_of_flags()
    return TaskData(corpus, split_classes(corpus, FLAGS.class_split, seed=split_seed()))


def read_corpus_of_flags() -> Corpus:
    """Reads the corpus and prints what its reader has to say of it."""
    corpus = read_corpus(
        FLAGS.corpus,
        seed=split_seed(),
        data_dir=FLAGS.data_dir,
        download=FLAGS.download,
        **{
            name: FLAGS[name].value
            for name in ("text_column", "label_column")
            if FLAGS[name].value is not None
        },
    )
    if (report := getattr(corpus, "report", None)) is not None:
        print(report, flush=True)
    return corpus


def small_classes(corpus: Corpus, shape: TaskShape) -> list[str]:
    """The classes that have too few texts, or templates, for a task of the shape.

    Example:

    >>> corpus = Corpus(("a", "b", "c", "d"), ("x", "x", "x", "y"))
    >>> small_classes(corpus, {"ways": 2, "shots": 1, "queries": 1})
    ['y']
    """
    labels = np.asarray(corpus.labels)
    templates = None
    if corpus.templates is not None:
        templates = np.unique(corpus.templates, return_inverse=True)[1]
    small = []
    for name in corpus.classes:
        rows = np.flatnonzero(labels == name)
        kept = None if templates is None else templates[rows]
        if not large_classes(
            labels[rows],
            shots=shape["shots"],
            queries=shape["queries"],
            templates=kept,
        ):
            small.append(name)
    return small


def check_tasks(parts: Mapping[str, Corpus], wanted: tuple[str, ...]) -> None:
    """Refuses a division in which a task cannot be drawn; tells what is left out.

    Args:
        parts: the classes' corpora by name: train, validation, test.
        wanted: those that tasks will be drawn from.

    Raises:
        SamplingError: naming the parts, their counts and the flags.
    """
    shape = shape_of_tasks()
    needed = shape["shots"] + shape["queries"]
    left_out = {name: small_classes(part, shape) for name, part in parts.items()}
    usable = {
        name: len(part.classes) - len(left_out[name]) for name, part in parts.items()
    }
    short = [name for name in parts if usable[name] < shape["ways"]]
    counts = ", ".join(
        f"{name} {usable[name]} of {len(part.classes)}" for name, part in parts.items()
    )
    if any(name in wanted for name in short):
        advice = ""
        if "train" in wanted:
            classes = sum(len(part.classes) for part in parts.values())
            advice = (
                f" If these {classes} classes are the intents of one bot, it needs no "
                "meta-training: training.export without --model_dir exports the "
                "default learner, which learns a bot from its sentences."
            )
        raise SamplingError(
            f"A task of --ways={shape['ways']} needs as many classes with {needed} "
            f"texts each (--shots={shape['shots']} and --queries={shape['queries']}); "
            f"classes that have them: {counts}. Lower --ways, --shots or --queries, or "
            f"change --class_split.{advice}"
        )
    for name in wanted:
        if left_out[name]:
            few = ", ".join(left_out[name][:5])
            more = ", …" if len(left_out[name]) > 5 else ""
            print(
                f"{len(left_out[name])} of {len(parts[name].classes)} {name} classes "
                f"are left out, for a task needs {needed} texts that are no "
                f"near-duplicates: {few}{more}.",
                flush=True,
            )
    for name in short:
        print(
            f"The {name} classes can hold no task of --ways={shape['ways']} "
            f"({usable[name]} have {needed} texts): judging on them will need other "
            "flags.",
            flush=True,
        )
