"""Texts tokenised once, and `tf.data` datasets of episodes made of them."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from maml_tf.episodes.corpus import Corpus
from maml_tf.episodes.near_duplicates import TextLabels
from maml_tf.episodes.same_text import same_texts
from maml_tf.episodes.sampler import EpisodeSampler
from maml_tf.text_lengths import LENGTH_BUCKETS, bucket_for


@dataclass(frozen=True)
class EncodedCorpus:
    """A corpus as numbers.

    Attributes:
        inputs: an array `[examples, ...]`, or a dict of arrays `[examples, length]`.
        labels: int32 `[examples]`; of texts, they know which rows hold the same one.
        class_names: the name of each label.
        templates: int `[examples]`, or None.
        lengths: tokens of each text, or None where inputs are not texts.
    """

    inputs: Any
    labels: np.ndarray
    class_names: tuple[str, ...]
    templates: np.ndarray | None = None
    lengths: np.ndarray | None = None

    def __post_init__(self) -> None:
        for array in tf.nest.flatten(self.inputs):
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                bad = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(1))
                raise ValueError(
                    f"Inputs hold NaN or infinity first in example {bad[0]}; remove it."
                )


def encode_corpus(
    corpus: Corpus, preprocessor: Callable[[list[str]], dict[str, Any]]
) -> EncodedCorpus:
    """Tokenises every text of the corpus exactly once.

    Args:
        corpus: the labelled texts.
        preprocessor: from a list of strings to a dict of right-padded tensors with the
            key `padding_mask`, as a keras-nlp preprocessor.
    """
    pieces = [
        {
            k: np.asarray(v)
            for k, v in preprocessor(list(corpus.texts[i : i + 512])).items()
        }
        for i in range(0, len(corpus), 512)
    ]
    inputs = {k: np.concatenate([p[k] for p in pieces]) for k in pieces[0]}
    numbers = {name: index for index, name in enumerate(corpus.classes)}
    templates = None
    if corpus.templates is not None:
        templates = np.unique(corpus.templates, return_inverse=True)[1]
    return EncodedCorpus(
        inputs,
        TextLabels.of(
            np.array([numbers[label] for label in corpus.labels], "int32"),
            same_texts(corpus.texts, inputs),
        ),
        corpus.classes,
        templates,
        inputs["padding_mask"].astype("int32").sum(axis=1),
    )


def episode_dataset(
    encoded: EncodedCorpus,
    *,
    ways: int | tuple[int, int],
    shots: int | tuple[int, int],
    queries: int,
    tasks_per_batch: int = 4,
    seed: int = 0,
    steps: int | None = None,
    start_step: int = 0,
    length_buckets: tuple[int, ...] = LENGTH_BUCKETS,
    drop_small_classes: bool | None = None,
) -> tf.data.Dataset:
    """Batches of tasks `(x, y)` for a `MetaLearner`.

    Texts are cropped to the smallest bucket that holds the longest text of the batch,
    the same for support and query, so that XLA meets few shapes.

    Args:
        encoded: the numbers to draw from.
        ways, shots, queries, tasks_per_batch, seed: see `EpisodeSampler`.
        steps: batches in all; None for no end, and then `fit` wants `steps_per_epoch`.
        start_step: number of the first batch, with which training resumes exactly.
        length_buckets: lengths to crop to.
        drop_small_classes: leave out classes with too few rows, or refuse them; by
            default they are left out and a warning says how many.

    Raises:
        SamplingError: if there are not enough classes, or rows in one of them.
    """
    sampler = EpisodeSampler(
        encoded.labels,
        ways=ways,
        shots=shots,
        queries=queries,
        tasks_per_batch=tasks_per_batch,
        templates=encoded.templates,
        class_names=encoded.class_names,
        seed=seed,
        drop_small_classes=drop_small_classes is not False,
    )
    if drop_small_classes is None and sampler.left_out:
        warnings.warn(
            f"{len(sampler.left_out)} of {len(encoded.class_names)} classes have too "
            f"few rows for these tasks and are left out: "
            f"{', '.join(map(repr, sampler.left_out[:5]))}"
            f"{', …' if len(sampler.left_out) > 5 else ''}. Give "
            "drop_small_classes=True to leave them out without this warning.",
            stacklevel=2,
        )

    def crop(array: np.ndarray, rows: np.ndarray, length: int | None) -> np.ndarray:
        return array[rows] if length is None else array[rows, :length]

    def batches() -> Iterator[Any]:
        step = start_step
        while steps is None or step < start_step + steps:
            drawn = sampler.sample(step)
            length = None
            if encoded.lengths is not None:
                both = np.concatenate([drawn.support, drawn.query], axis=1)
                longest = encoded.lengths[both].max()
                length = bucket_for(longest, length_buckets)
            support, query = (
                tf.nest.map_structure(
                    lambda a, r=r, n=length: crop(a, r, n), encoded.inputs
                )
                for r in (drawn.support, drawn.query)
            )
            yield (
                {
                    "support_inputs": support,
                    "support_targets": drawn.support_labels,
                    "query_inputs": query,
                },
                drawn.query_labels,
            )
            step += 1

    is_text = encoded.lengths is not None

    def spec(array: np.ndarray) -> tf.TensorSpec:
        rest = (None,) if is_text else array.shape[1:]
        return tf.TensorSpec((tasks_per_batch, None, *rest), array.dtype)

    targets = tf.TensorSpec((tasks_per_batch, None), tf.int32)
    inputs = tf.nest.map_structure(spec, encoded.inputs)
    signature = (
        {"support_inputs": inputs, "support_targets": targets, "query_inputs": inputs},
        targets,
    )
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    size = tf.data.INFINITE_CARDINALITY if steps is None else steps
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(size))
    return prefetched(dataset)


def prefetched(dataset: tf.data.Dataset, batches: int = 16) -> tf.data.Dataset:
    """The dataset, `batches` ahead of who reads it.

    Without TensorFlow's tuning of pipelines: there is nothing to tune, and its thread
    can hold up the end of `fit` by up to half a minute.

    Example:

    >>> list(prefetched(tf.data.Dataset.range(3)).as_numpy_iterator())
    [np.int64(0), np.int64(1), np.int64(2)]
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.prefetch(batches).with_options(options)
