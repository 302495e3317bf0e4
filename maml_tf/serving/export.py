"""A SavedModel that learns: support texts, support labels and query texts go in."""

import os
import shutil
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from maml_tf.learners import MetaLearner


def export_learner(learner: MetaLearner, folder: str | Path) -> Path:
    """Writes the next version of a learner that adapts inside the graph.

    The one signature, `serving_default`, takes `support_texts` `[S]`, `support_labels`
    `[S]` and `query_texts` `[Q]`, all strings, and gives `intents` `[Q]`,
    `probabilities` `[Q, N]` and `class_names` `[N]`. A request that cannot be learned
    from is answered with an INVALID_ARGUMENT error.

    Args:
        learner: a built learner over a text base learner with its `preprocessor`.
        folder: `NAME`; the version goes to `NAME/VERSION`, the next free number.

    Returns:
        The folder of the version. It appears under its number only when complete.

    Raises:
        ValueError: if the learner has no preprocessor or was never built.
    """
    if getattr(learner.base_learner, "preprocessor", None) is None:
        raise ValueError(
            "The base learner has no preprocessor to read texts with; make it with "
            "create_model or create_text_encoder."
        )
    if not learner.built:
        raise ValueError("Train the learner, or call it on a task, before the export.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    taken = [int(p.name) for p in folder.iterdir() if p.name.isdecimal()]
    version = folder / str(max(taken, default=0) + 1)
    aside = folder / f"unfinished-{version.name}-{os.getpid()}"
    archive = keras.export.ExportArchive()
    archive.track(learner)
    strings = tf.TensorSpec([None], tf.string)
    archive.add_endpoint(
        "serving_default",
        lambda support_texts, support_labels, query_texts: _classify(
            learner, support_texts, support_labels, query_texts
        ),
        input_signature=[
            tf.TensorSpec(strings.shape, strings.dtype, name=name)
            for name in ("support_texts", "support_labels", "query_texts")
        ],
    )
    try:
        archive.write_out(str(aside), verbose=False)
        os.rename(aside, version)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return version


def _classify(
    learner: MetaLearner, support_texts: Any, support_labels: Any, query_texts: Any
) -> dict[str, tf.Tensor]:
    # Rank first: a scalar would crash a server inside the tokenizer's own operation.
    texts, labels, queries = (
        tf.ensure_shape(t, [None]) for t in (support_texts, support_labels, query_texts)
    )
    names, numbers = tf.unique(labels)
    checks = [
        tf.debugging.assert_equal(
            tf.size(texts), tf.size(labels), "support_labels must be as many as texts."
        ),
        tf.debugging.assert_greater(
            tf.size(names), 1, "The support set needs examples of two intents or more."
        ),
        tf.debugging.assert_greater(tf.size(queries), 0, "There is no query text."),
    ]
    most = learner.number_of_classes()
    if most is not None:
        checks.append(
            tf.debugging.assert_less_equal(
                tf.size(names), most, f"This model tells at most {most} intents apart."
            )
        )
    with tf.control_dependencies(checks):
        both = tf.concat([texts, queries], axis=0)
        # Learning waits for the checks too, or its own errors would come first.
        numbers = tf.identity(numbers)
    tokens = learner.base_learner.preprocessor(both)
    # A five-word sentence must not cost the longest length the model can read.
    longest = tf.reduce_max(tf.reduce_sum(tf.cast(tokens["padding_mask"], tf.int32), 1))
    cropped = {key: value[:, :longest] for key, value in tokens.items()}
    size = tf.size(texts)
    support = {key: value[tf.newaxis, :size] for key, value in cropped.items()}
    query = {key: value[tf.newaxis, size:] for key, value in cropped.items()}
    fast = learner.adapt(support, numbers[tf.newaxis])
    logits = learner.predict_adapted(fast, query)[0, :, : tf.size(names)]
    probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
    return {
        "intents": tf.gather(names, tf.argmax(probabilities, axis=-1)),
        "probabilities": probabilities,
        "class_names": names,
    }
