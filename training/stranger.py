"""Teaches an exported bot its intents, in a process that cannot import our code.

Run as a plain file, `python -I training/stranger.py saved_models/demo`: isolated mode
keeps the checkout off the path, and the lines below keep an installed package and Keras
out as well. What answers is the graph in the SavedModel alone.
"""

import glob
import importlib.util
import os
import runpy
import sys

for name in ("maml_tf", "training", "keras", "tf_keras", "keras_nlp", "keras_hub"):
    sys.modules[name] = None  # type: ignore[assignment]

import tensorflow as tf  # noqa: E402  after the blocks

BOT = runpy.run_path(os.path.join(os.path.dirname(__file__), "demo_bot.py"))


def main(folder: str) -> None:
    # The text operations alone: the package around them would import Keras.
    text = importlib.util.find_spec("tensorflow_text")
    assert text is not None and text.origin is not None
    for library in glob.glob(os.path.dirname(text.origin) + "/python/ops/*.so"):
        tf.load_op_library(library)
    versions = [name for name in os.listdir(folder) if name.isdecimal()]
    newest = os.path.join(folder, max(versions, key=int))
    classify = tf.saved_model.load(newest).signatures["serving_default"]
    pairs = [(t, label) for label, texts in BOT["SUPPORT"].items() for t in texts]
    answer = classify(
        support_texts=tf.constant([text for text, _ in pairs]),
        support_labels=tf.constant([label for _, label in pairs]),
        query_texts=tf.constant(BOT["QUERIES"]),
    )
    print(f"Taught {len(BOT['SUPPORT'])} new intents with {len(pairs)} sentences:")
    for label, texts in BOT["SUPPORT"].items():
        print(f"  {label:22} {' | '.join(texts)}")
    print("and asked:")
    for query, intent, chances, known in zip(
        BOT["QUERIES"],
        answer["intents"].numpy(),
        answer["probabilities"].numpy(),
        answer["in_scope"].numpy(),
        strict=True,
    ):
        said = f"{intent.decode()} ({chances.max():.0%})"
        print(f"  {query:44} -> {said if known else f'I do not know ({said}?)'}")


if __name__ == "__main__":
    main(sys.argv[1])
