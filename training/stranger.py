"""Teaches an exported bot three intents, in a process that cannot import our code.

Run as a plain file, `python -I training/stranger.py saved_models/demo`: isolated mode
keeps the checkout off the path, and the lines below keep an installed package and Keras
out as well. What answers is the graph in the SavedModel alone.
"""

import glob
import importlib.util
import os
import sys

for name in ("maml_tf", "keras", "tf_keras", "keras_nlp", "keras_hub"):
    sys.modules[name] = None

import tensorflow as tf  # noqa: E402  after the blocks

SUPPORT = {
    "order pizza": [
        "I would like a pizza with mushrooms",
        "one large margherita, please",
        "can you bring me two pizzas tonight",
    ],
    "track parcel": [
        "where is my package",
        "has my delivery left the depot yet",
        "tell me when the parcel arrives",
    ],
    "book haircut": [
        "I need my hair cut on friday",
        "is there a free slot at the barber",
        "make me an appointment with the hairdresser",
    ],
}
QUERIES = [
    "two slices of pepperoni with extra cheese",
    "when will the courier be here",
    "can someone trim my fringe tomorrow",
    "what does a quattro stagioni cost",
    "my order number is 4711, did you send it",
]


def main(folder: str) -> None:
    # The text operations alone: the package around them would import Keras.
    text = importlib.util.find_spec("tensorflow_text").origin
    for library in glob.glob(os.path.dirname(text) + "/python/ops/*.so"):
        tf.load_op_library(library)
    versions = [name for name in os.listdir(folder) if name.isdecimal()]
    newest = os.path.join(folder, max(versions, key=int))
    classify = tf.saved_model.load(newest).signatures["serving_default"]
    pairs = [(t, label) for label, texts in SUPPORT.items() for t in texts]
    answer = classify(
        support_texts=tf.constant([text for text, _ in pairs]),
        support_labels=tf.constant([label for _, label in pairs]),
        query_texts=tf.constant(QUERIES),
    )
    print(f"Taught {len(SUPPORT)} new intents with {len(pairs)} sentences:")
    for label, texts in SUPPORT.items():
        print(f"  {label:14} {' | '.join(texts)}")
    print("and asked:")
    for query, intent, probabilities in zip(
        QUERIES,
        answer["intents"].numpy(),
        answer["probabilities"].numpy(),
        strict=True,
    ):
        print(f"  {query:44} -> {intent.decode()} ({probabilities.max():.0%})")


if __name__ == "__main__":
    main(sys.argv[1])
