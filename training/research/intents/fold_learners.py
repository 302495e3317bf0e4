"""The learners of the intent benchmark: each makes vectors of a fold's texts."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from maml_tf.base_learners import create_text_encoder
from maml_tf.base_learners.split_encoder import UpperEncoder
from maml_tf.episodes.class_names import name_as_words
from maml_tf.evaluation.features import Embedder
from training.common.rotation_settings import RotationSettings
from training.common.share_by_classes import first_of_each
from training.research.intents.adapting_time import adapt_milliseconds
from training.research.intents.intent_data import IntentData
from training.research.intents.kept_training import (
    ENCODER,
    PROJECTION,
    train_encoder,
    train_projection,
    whiten,
)
from training.research.intents.kept_vectors import kept_vectors

SEQUENCE_LENGTH = 64


@dataclass(frozen=True)
class Benchmark:
    """What is the same for every fold.

    Attributes:
        base_learner: the encoder's preset.
        work_dir: where trainings and vectors are kept.
        first_layer: the first transformer layer that `encoder` trains.
        encoder, projection: settings of the two kinds of meta-training.
        pretrained: what is added to the preset's weights, as `create_text_encoder`
            takes it; plain by default.
        seed: of the encoder's weights, where they are drawn.
    """

    base_learner: str
    work_dir: Path
    first_layer: int = 3
    encoder: RotationSettings = ENCODER
    projection: RotationSettings = PROJECTION
    pretrained: str = "base"
    seed: int = 0

    @cached_property
    def upper(self) -> UpperEncoder:
        """The encoder as it was pretrained, cut; never trained."""
        return self.make_upper()

    @cached_property
    def embedder(self) -> Embedder:
        """Of strings, by the encoder as it was pretrained."""
        return Embedder(self.upper.encoder)

    @cached_property
    def times(self) -> dict[tuple, float]:
        """Milliseconds of adapting, by data set, shots and ways."""
        return {}

    def adapt_milliseconds(self, texts: list[str], place: tuple) -> float:
        """Measured once a data set: learners differ by one small matrix product."""
        if place not in self.times:
            self.times[place] = adapt_milliseconds(self.embedder, texts, *place[1:])
        return self.times[place]

    def make_upper(self) -> UpperEncoder:
        """A fresh encoder with its pretrained weights, cut."""
        encoder = create_text_encoder(
            self.base_learner,
            pretrained=self.pretrained,
            normalize=True,
            sequence_length=SEQUENCE_LENGTH,
            seed=self.seed,
        )
        layers = len(getattr(encoder.backbone, "transformer_layers", ()))
        return UpperEncoder(encoder, max(0, min(self.first_layer, layers - 1)))


@dataclass(frozen=True)
class FoldVectors:
    """What a learner makes of the texts that it is judged on.

    Attributes:
        validation, test: `[texts, dim]`.
        validation_labels, test_labels: the class of each.
        names: the vector of each class' name, by label.
        train_seconds: of meta-training.
        adapt_milliseconds: by shots; from strings to prototypes.
    """

    validation: np.ndarray
    validation_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    names: dict[str, np.ndarray]
    train_seconds: float
    adapt_milliseconds: dict[int, float]


def fold_vectors(
    benchmark: Benchmark,
    data: IntentData,
    fold: str,
    regime: str,
    learner: str,
    shots: tuple[int, ...],
    ways: int = 5,
) -> FoldVectors:
    """Meta-trains on a fold, unless that is done already, and embeds its other texts.

    Args:
        benchmark: what is the same for every fold.
        data: of the data set.
        fold: one of `fold_names`.
        regime: `full` or `low`.
        learner: `frozen`, `whitened`, `projection`, `encoder` or
            `encoder_projection`.
        shots, ways: for which adapting is timed, and chosen how far a training goes.
    """
    place = f"{data.name}-{fold}-{regime}"
    training = data.training_rows(fold, regime)
    split = data.split(fold)
    rows = {
        "validation": data.rows_of(split.validation.classes),
        "test": data.rows_of(split.test.classes),
        "training": first_of_each(training, data.labels[training]),
    }
    upper, seconds = benchmark.upper, 0.0
    if learner.startswith("encoder"):
        upper = benchmark.make_upper()
        seconds = train_encoder(
            upper,
            data.lower,
            data.labels,
            training,
            rows["validation"],
            work_dir=benchmark.work_dir,
            name=f"encoder-{place}",
            shots=shots,
            ways=ways,
            settings=benchmark.encoder,
        )
    labels = {name: data.labels[chosen] for name, chosen in rows.items()}
    vectors = _embed(benchmark, data, upper, place, rows)
    transform: Callable[[np.ndarray], np.ndarray] = np.asarray
    if learner == "whitened":
        transform = whiten(vectors["training"], labels["training"])
    elif learner.endswith("projection"):
        transform = projection = train_projection(
            vectors["training"],
            labels["training"],
            (vectors["validation"], labels["validation"]),
            work_dir=benchmark.work_dir,
            name=f"{learner}-{place}",
            shots=shots,
            ways=ways,
            settings=benchmark.projection,
        )
        seconds += projection.seconds
    classes = (*split.validation.classes, *split.test.classes)
    embedder = Embedder(upper.encoder)
    named = transform(embedder.embed_texts([name_as_words(name) for name in classes]))
    texts = [data.corpus.texts[row] for row in rows["test"]]
    times = {
        k: benchmark.adapt_milliseconds(texts, (data.name, k, ways)) for k in shots
    }
    return FoldVectors(
        validation=transform(vectors["validation"]),
        validation_labels=labels["validation"],
        test=transform(vectors["test"]),
        test_labels=labels["test"],
        names=dict(zip(classes, named, strict=True)),
        train_seconds=seconds,
        adapt_milliseconds=times,
    )


def _embed(
    benchmark: Benchmark,
    data: IntentData,
    upper: UpperEncoder,
    place: str,
    rows: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Vectors of some rows; of the pretrained encoder those of all texts are kept."""
    keep = benchmark.work_dir
    if upper is benchmark.upper:
        every = kept_vectors(upper, data.lower, keep, f"{data.name}-frozen")
        return {name: every[chosen] for name, chosen in rows.items()}
    return {
        name: kept_vectors(upper, data.lower, keep, f"{place}-{name}", chosen)
        for name, chosen in rows.items()
    }
