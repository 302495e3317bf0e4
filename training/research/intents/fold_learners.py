"""The learners of the intent benchmark: each makes vectors of a fold's texts."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np

from maml_tf.base_learners import create_text_encoder
from maml_tf.base_learners.split_encoder import UpperEncoder, embed_states
from maml_tf.base_learners.whitening import WithinClassWhitening
from training.research.intents.adapting_time import adapt_milliseconds, embed_texts
from training.research.intents.intent_data import IntentData, frozen_vectors, kept
from training.research.intents.meta_training import MetaTrainingSettings, meta_train
from training.research.intents.selection import keep_best_share

TRAINED_TOKENS = 16
MOST_PROJECTION_ROWS = 60


@dataclass(frozen=True)
class Benchmark:
    """What is the same for every fold.

    Attributes:
        base_learner: the encoder's preset.
        first_layer: the first transformer layer that `encoder` trains.
        encoder, projection: settings of the two kinds of meta-training.
        work_dir: where checkpoints and vectors are kept.
    """

    base_learner: str
    first_layer: int
    encoder: MetaTrainingSettings
    projection: MetaTrainingSettings
    work_dir: Path

    @cached_property
    def pretrained(self) -> UpperEncoder:
        """The encoder as it was pretrained, cut; never trained."""
        return self.make_upper()

    @cached_property
    def times(self) -> dict[tuple, float]:
        """Milliseconds of adapting, by data set, shots and ways."""
        return {}

    def adapt_milliseconds(self, texts: list[str], place: tuple) -> float:
        """Measured once a data set: learners differ by one small matrix product."""
        if place not in self.times:
            encoder = self.pretrained.encoder
            self.times[place] = adapt_milliseconds(encoder, texts, *place[1:])
        return self.times[place]

    def make_upper(self) -> UpperEncoder:
        """A fresh encoder with its pretrained weights, cut."""
        encoder = create_text_encoder(
            self.base_learner,
            # The delta that ships has seen the very data sets of the table.
            pretrained="base",
            normalize=True,
            sequence_length=64,
            seed=self.encoder.seed,
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
        shots, ways: for which adapting is timed.
    """
    folder = benchmark.work_dir / f"{data.name}-{fold}-{regime}"
    tuned = learner.startswith("encoder")
    upper = benchmark.make_upper() if tuned else benchmark.pretrained
    training = data.training_rows(fold, regime)
    seconds = 0.0
    if tuned:
        seconds = meta_train(
            upper,
            lambda rows: data.states.batch(training[rows], TRAINED_TOKENS),
            data.labels[training],
            benchmark.encoder,
            folder / "encoder.npz",
        )

        def embed(rows: np.ndarray, name: str) -> np.ndarray:
            path = folder / f"encoder-{name}.npy"
            return kept(path, lambda: embed_states(upper, data.states, rows))

    else:
        frozen = frozen_vectors(data, upper, benchmark.work_dir / "lower")

        def embed(rows: np.ndarray, name: str) -> np.ndarray:
            return frozen[rows]

    split = data.split(fold)
    judged, labels = {}, {}
    for name in ("validation", "test"):
        rows = data.rows_of(getattr(split, name).classes)
        judged[name], labels[name] = embed(rows, name), data.labels[rows]
    transform: Callable = np.asarray
    if learner.endswith(("whitened", "projection")):
        rows = first_of_each(training, data.labels[training])
        vectors = embed(rows, "training")
        head = make_projection(vectors, data.labels[rows])
        if learner.endswith("projection"):
            start = head.get_weights()
            seconds += meta_train(
                head,
                lambda chosen: vectors[chosen],
                data.labels[rows],
                benchmark.projection,
                folder / f"{learner}.npz",
            )
            share = keep_best_share(
                head,
                start,
                judged["validation"],
                labels["validation"],
                ways=ways,
                shots=shots,
                seed=benchmark.projection.seed,
            )
            print(
                f"  {100 * share:.0f} % of the way trained, by validation", flush=True
            )
        transform = lambda v: head(v).numpy()  # noqa: E731
    classes = (*split.validation.classes, *split.test.classes)
    named = transform(embed_texts(upper.encoder, [readable(c) for c in classes]))
    texts = [data.corpus.texts[row] for row in data.rows_of(split.test.classes)]
    times = {
        k: benchmark.adapt_milliseconds(texts, (data.name, k, ways)) for k in shots
    }
    return FoldVectors(
        validation=transform(judged["validation"]),
        validation_labels=labels["validation"],
        test=transform(judged["test"]),
        test_labels=labels["test"],
        names=dict(zip(classes, named, strict=True)),
        train_seconds=seconds,
        adapt_milliseconds=times,
    )


def make_projection(vectors: np.ndarray, labels: np.ndarray) -> keras.Model:
    """Whitening set in closed form from training vectors; trainable from there on."""
    layer = WithinClassWhitening()
    layer.adapt(vectors, labels)
    return keras.Sequential([keras.Input(vectors.shape[1:]), layer])


def first_of_each(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """At most `MOST_PROJECTION_ROWS` rows of each class, spread over all it has.

    >>> first_of_each(np.arange(4), np.array(["a", "b", "a", "b"])).tolist()
    [0, 2, 1, 3]
    """
    chosen = []
    for label in np.unique(labels):
        mine = rows[labels == label]
        count = min(len(mine), MOST_PROJECTION_ROWS)
        chosen.append(mine[np.linspace(0, len(mine) - 1, count).astype(int)])
    return np.concatenate(chosen)


def readable(label: str) -> str:
    """A label as a person would say it.

    >>> readable("Refund_not_showing_up")
    'refund not showing up'
    """
    return label.replace("_", " ").replace("-", " ").replace("/", " ").lower().strip()
