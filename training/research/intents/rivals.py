"""What people use today for a few examples an intent, each as one function.

Every function returns a `Bot`, which learns from texts with labels 0 … ways-1 and from
the intents' names, which most leave alone. The encoder is the same for all, and is
loaded before a bot is asked to learn. PyTorch, SetFit, scikit-learn and
adaptive-classifier are imported inside: they are of the extra `bench`.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from maml_tf.base_learners import TextEncoder
from maml_tf.episodes.class_names import name_as_words
from maml_tf.evaluation.features import Embedder
from maml_tf.evaluation.vector_episodes import cosine_logits, cosine_prototypes
from training.common.best_share import weights_of


@dataclass(frozen=True)
class Learned:
    """A bot that has learned.

    Attributes:
        answer: from questions to the numbers of intents.
        numbers: how many of four bytes are kept for this bot alone, beside what all
            bots share.
    """

    answer: Callable[[list[str]], np.ndarray]
    numbers: int


Bot = Callable[[list[str], np.ndarray, list[str]], Learned]
Transform = Callable[[np.ndarray], np.ndarray]


def nearest_prototype(
    encoder: TextEncoder, transform: Transform = np.asarray, *, named: bool = False
) -> Bot:
    """Ours: the mean direction of the examples; a name counts as one example."""
    embedder = Embedder(encoder)

    def learn(support: list[str], labels: np.ndarray, names: list[str]) -> Learned:
        if named:
            support = [*support, *map(name_as_words, names)]
            labels = np.concatenate([labels, np.arange(len(names))])
        prototypes = cosine_prototypes(transform(embedder.embed_texts(support)), labels)

        def answer(questions: list[str]) -> np.ndarray:
            asked = transform(embedder.embed_texts(questions))
            return cosine_logits(prototypes, asked).argmax(axis=1)

        return Learned(answer, prototypes.size)

    return learn


def nearest_example(encoder: TextEncoder) -> Bot:
    """The intent of the nearest example by cosine, as routers over vectors answer."""
    embedder = Embedder(encoder)

    def learn(support: list[str], labels: np.ndarray, names: list[str]) -> Learned:
        examples = embedder.embed_texts(support)

        def answer(questions: list[str]) -> np.ndarray:
            return labels[(embedder.embed_texts(questions) @ examples.T).argmax(axis=1)]

        return Learned(answer, examples.size)

    return learn


def logistic_regression(encoder: TextEncoder) -> Bot:
    """Frozen vectors and scikit-learn's logistic regression with its defaults."""
    from sklearn.linear_model import LogisticRegression

    embedder = Embedder(encoder)

    def learn(support: list[str], labels: np.ndarray, names: list[str]) -> Learned:
        head = LogisticRegression(max_iter=1000)
        head.fit(embedder.embed_texts(support), labels)
        return Learned(
            lambda questions: head.predict(embedder.embed_texts(questions)),
            head.coef_.size + head.intercept_.size,
        )

    return learn


def fine_tuning(
    encoder: TextEncoder, *, steps: int = 30, learning_rate: float = 1e-4
) -> Bot:
    """Encoder and a new dense head, all weights, AdamW on the support set.

    What was learned last is what answers: the encoder's weights are the same variables.
    """
    initial = weights_of(encoder)
    embedder = Embedder(encoder)

    def tokens_of(texts: list[str]) -> dict[str, np.ndarray]:
        return {k: embedder.tokens_of(texts)[k] for k in NAMES}

    def learn(support: list[str], labels: np.ndarray, names: list[str]) -> Learned:
        for variable, value in zip(encoder.trainable_variables, initial, strict=True):
            variable.assign(value)
        head = keras.layers.Dense(int(labels.max()) + 1)
        inputs = {k: keras.Input((None,), dtype="int32", name=k) for k in NAMES}
        model = keras.Model(inputs, head(encoder(inputs) * 10.0))
        model.compile(
            keras.optimizers.AdamW(learning_rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        model.fit(tokens_of(support), labels, batch_size=32, epochs=steps, verbose=0)

        def answer(questions: list[str]) -> np.ndarray:
            return model.predict(tokens_of(questions), verbose=0).argmax(axis=1)

        return Learned(answer, model.count_params())

    return learn


NAMES = ("token_ids", "segment_ids", "padding_mask")


def sentence_transformer(directory: str) -> Any:
    """The encoder of a Hugging Face directory as sentence-transformers has it."""
    from sentence_transformers import SentenceTransformer, models

    words = models.Transformer(directory)
    pooling = models.Pooling(words.auto_model.config.hidden_size, "mean")
    return SentenceTransformer(modules=[words, pooling, models.Normalize()])


def setfit(directory: str) -> Bot:
    """SetFit (Tunstall et al. 2022, arXiv 2209.11055) with its own defaults."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    body = sentence_transformer(directory)

    def learn(support: list[str], labels: np.ndarray, names: list[str]) -> Learned:
        from sklearn.linear_model import LogisticRegression

        own = copy.deepcopy(body)
        model = SetFitModel(model_body=own, model_head=LogisticRegression())
        rows = Dataset.from_dict({"text": support, "label": labels.tolist()})
        arguments = TrainingArguments(
            batch_size=16, num_epochs=1, report_to="none", save_strategy="no"
        )
        Trainer(model=model, args=arguments, train_dataset=rows).train()
        return Learned(
            lambda questions: np.asarray(model.predict(questions)),
            sum(p.numel() for p in own.parameters()),
        )

    return learn


def adaptive_classifier(encoder: TextEncoder, directory: str, ways: int) -> Bot:
    """adaptive-classifier with its defaults, its encoder replaced by ours.

    Args:
        encoder: makes the vectors.
        directory: of a Hugging Face encoder of the same width, which it wants to load.
        ways: intents of a bot.
    """
    from training.research.streams.adaptive_classifier_rival import (
        AdaptiveClassifierRival,
    )

    embedder = Embedder(encoder)

    def learn(support: list[str], labels: np.ndarray, names: list[str]) -> Learned:
        rival = AdaptiveClassifierRival(directory, ways)
        rival.teach(embedder.embed_texts(support), labels)
        return Learned(
            lambda questions: rival.scores(embedder.embed_texts(questions)).argmax(
                axis=1
            ),
            rival.held(),
        )

    return learn
