"""A model for tests that loads no TensorFlow: it knows texts by their words.

It learns and answers as an export of the default learner does, by the cosine with the
mean of an intent's examples, and counts what it is asked.
"""

import zlib
from collections import Counter

import numpy as np

from maml_tf.serving import Client, RequestError
from maml_tf.serving.negatives import NEGATIVE
from maml_tf.serving.results import StaleStateError, not_offered

DIM = 512
NONE = NEGATIVE.encode()


class Words:
    """A transport to a model over bags of words."""

    def __init__(self, vectors=True, threshold=0.3, version=1, most=1000):
        self.offers_vectors, self.threshold, self.version = vectors, threshold, version
        self.most, self.error = most, None
        self.calls, self.embedded = Counter(), []

    def call(self, signature, inputs, timeout):
        if self.error is not None:
            raise self.error
        if not self.offers_vectors and signature in (
            "examples",
            "adapt_vectors",
            "predict_vectors",
        ):
            raise not_offered(signature)
        self.calls[signature] += 1
        return getattr(self, signature)(**inputs)

    def close(self):
        pass

    def embed(self, texts):
        self.embedded += [text.decode() for text in texts]
        rows = np.zeros((len(texts), DIM), "float32")
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().replace(b"?", b"").split():
                row[zlib.crc32(word) % DIM] += 1
        return {"vectors": rows / np.linalg.norm(rows, axis=1, keepdims=True)}

    def examples(self, support_texts, support_labels):
        names = sorted({*support_labels} - {NONE})
        numbers = [names.index(n) if n in names else len(names) for n in support_labels]
        mark = np.array((self.version, 0, 0))
        return {
            "texts": support_texts,
            "numbers": np.array(numbers),
            "class_names": names,
            "fingerprint": mark,
        }

    def adapt_vectors(self, example_vectors, support_texts, support_labels):
        if len(support_texts) > self.most:
            raise RequestError(f"this model learns from at most {self.most}.")
        names = sorted({*support_labels} - {NONE})
        means = [example_vectors[support_labels == name].sum(axis=0) for name in names]
        means += list(example_vectors[support_labels == NONE])
        header = [1, self.version, 0, 0, len(names), 0, 0, 0]
        values = np.concatenate([header, np.concatenate(means)]).astype("float32")
        return {"state": values, "class_names": names}

    def adapt(self, support_texts, support_labels):
        vectors = self.embed(support_texts)["vectors"]
        return self.adapt_vectors(vectors, support_texts, support_labels)

    def predict_vectors(self, state, class_names, query_vectors):
        if state[1] != self.version:
            raise StaleStateError("another version")
        means = state[8:].reshape(-1, DIM)
        means = means / np.linalg.norm(means, axis=1, keepdims=True)
        cosines = query_vectors @ means.T
        chances = np.exp(20 * cosines)
        chances /= chances.sum(axis=1, keepdims=True)
        own, beyond = np.split(cosines, [len(class_names)], axis=1)
        margins = own.max(axis=1) - self.threshold
        if beyond.size:
            margins = np.minimum(margins, own.max(axis=1) - beyond.max(axis=1))
        return {
            "intents": class_names[own.argmax(axis=1)],
            "probabilities": chances[:, : own.shape[1]],
            "in_scope": margins >= 0,
            "margins": margins,
            "class_names": class_names,
        }

    def predict(self, state, class_names, query_texts):
        vectors = self.embed(query_texts)["vectors"]
        return self.predict_vectors(state, class_names, vectors)


def client(**options):
    return Client(Words(**options))
