"""What people use today for a few examples an intent, each as one function.

Every function takes support texts with labels 0 … ways-1 and query texts, and returns
the guesses and the seconds from examples to working bot. The encoder is the same, and
is loaded before the clock starts. PyTorch, SetFit and scikit-learn are imported inside:
they are of the extra `bench`.
"""

import copy
import time
from collections.abc import Callable

import keras
import numpy as np

from maml_tf.base_learners import TextEncoder
from maml_tf.evaluation.features import Embedder
from maml_tf.evaluation.vector_episodes import cosine_logits, cosine_prototypes

Bot = Callable[[list[str], np.ndarray, list[str]], tuple[np.ndarray, float]]


def nearest_prototype(
    encoder: TextEncoder, transform: Callable[[np.ndarray], np.ndarray]
) -> Bot:
    """Ours: the mean of the examples, after the meta-trained projection."""
    embedder = Embedder(encoder)

    def run(
        support: list[str], labels: np.ndarray, queries: list[str]
    ) -> tuple[np.ndarray, float]:
        start = time.perf_counter()
        prototypes = cosine_prototypes(transform(embedder.embed_texts(support)), labels)
        seconds = time.perf_counter() - start
        asked = transform(embedder.embed_texts(queries))
        return cosine_logits(prototypes, asked).argmax(axis=1), seconds

    return run


def logistic_regression(encoder: TextEncoder) -> Bot:
    """Frozen vectors and scikit-learn's logistic regression with its defaults."""
    from sklearn.linear_model import LogisticRegression

    embedder = Embedder(encoder)

    def run(
        support: list[str], labels: np.ndarray, queries: list[str]
    ) -> tuple[np.ndarray, float]:
        start = time.perf_counter()
        head = LogisticRegression(max_iter=1000)
        head.fit(embedder.embed_texts(support), labels)
        seconds = time.perf_counter() - start
        return head.predict(embedder.embed_texts(queries)), seconds

    return run


def fine_tuning(
    encoder: TextEncoder, *, steps: int = 30, learning_rate: float = 1e-4
) -> Bot:
    """Encoder and a new dense head, all weights, AdamW on the support set."""
    initial = [v.numpy() for v in encoder.trainable_variables]
    embedder = Embedder(encoder)

    def run(
        support: list[str], labels: np.ndarray, queries: list[str]
    ) -> tuple[np.ndarray, float]:
        start = time.perf_counter()
        head = keras.layers.Dense(int(labels.max()) + 1)
        inputs = {k: keras.Input((None,), dtype="int32", name=k) for k in NAMES}
        model = keras.Model(inputs, head(encoder(inputs) * 10.0))
        model.compile(
            keras.optimizers.AdamW(learning_rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        tokens = {k: embedder.tokens_of(support)[k] for k in NAMES}
        model.fit(tokens, labels, batch_size=32, epochs=steps, verbose=0)
        seconds = time.perf_counter() - start
        asked = {k: embedder.tokens_of(queries)[k] for k in NAMES}
        guesses = model.predict(asked, verbose=0).argmax(axis=1)
        for variable, value in zip(encoder.trainable_variables, initial, strict=True):
            variable.assign(value)
        return guesses, seconds

    return run


NAMES = ("token_ids", "segment_ids", "padding_mask")


def setfit(directory: str) -> Bot:
    """SetFit (Tunstall et al. 2022, arXiv 2209.11055) with its own defaults."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer, models
    from setfit import SetFitModel, Trainer, TrainingArguments

    words = models.Transformer(directory)
    pooling = models.Pooling(words.get_word_embedding_dimension(), "mean")
    body = SentenceTransformer(modules=[words, pooling, models.Normalize()])

    def run(
        support: list[str], labels: np.ndarray, queries: list[str]
    ) -> tuple[np.ndarray, float]:
        from sklearn.linear_model import LogisticRegression

        start = time.perf_counter()
        model = SetFitModel(
            model_body=copy.deepcopy(body), model_head=LogisticRegression()
        )
        rows = Dataset.from_dict({"text": support, "label": labels.tolist()})
        arguments = TrainingArguments(
            batch_size=16, num_epochs=1, report_to="none", save_strategy="no"
        )
        Trainer(model=model, args=arguments, train_dataset=rows).train()
        seconds = time.perf_counter() - start
        return np.asarray(model.predict(queries)), seconds

    return run
