"""A bot from labelled sentences, in scikit-learn's manners."""

from collections.abc import Hashable, Iterable
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from maml_tf.serving import NEGATIVE, AdaptedState, Answers, Client, RequestError

BATCH = 256  # texts asked at once
SECONDS = 3600.0  # a bot is taught in one call, however many sentences it has


class Bot:
    """Learns intents from a few sentences each and tells which one a text belongs to.

    There is no training: `fit` passes the sentences through a meta-trained model once,
    in milliseconds for a handful. Any number of intents, from two, and of sentences
    for each, from one. What answers is the graph that `maml-tf export` writes.

    Args:
        model: what learns: None for the meta-trained default, which takes the name of
            an intent for one more example where it reads like words; a learner of
            `maml_tf.learners` over texts, the folder of an export, or a `Client` of a
            server.

    Attributes:
        classes_: the intents, sorted, in the order of `predict_proba`'s columns.

    Example:

    >>> from maml_tf.default_learner import default_learner
    >>> bot = Bot(default_learner("scratch:num_layers=1,hidden_dim=8"))
    >>> bot.fit(["a pizza please", "where is my parcel"], ["order", "track"])
    Bot(model=...)
    >>> bot.predict(["a pizza please"])
    array(['order'], dtype='<U5')
    >>> bot.predict_proba(["a pizza please", "where is it"]).shape
    (2, 2)
    """

    classes_: np.ndarray

    def __init__(self, model: Any = None) -> None:
        self.model = model
        self._state: AdaptedState | None = None
        vars(self).pop("client", None)

    def fit(
        self,
        texts: Iterable[str],
        labels: Iterable[Hashable],
        named: Iterable[str] = (),
    ) -> "Bot":
        """Forgets what it knew and learns these examples.

        Args:
            texts: example sentences.
            labels: the intent of each: strings, or numbers; `NEGATIVE` of
                `maml_tf.serving` for a sentence that is for none of them.
            named: more intents, taught by their names alone, as "lost_card" can be. A
                one-line description of an intent is a text like any other.

        Returns:
            The bot itself.

        Raises:
            RequestError: if there is nothing to learn from these examples; the sentence
                says why.
        """
        texts, labels = _listed(texts, "texts"), _listed(labels, "labels")
        if len(texts) != len(labels):
            raise RequestError(
                f"There are {len(texts)} texts and {len(labels)} labels; give one "
                "label for each text."
            )
        named = _listed(named, "named")
        known = _by_name([*labels, *named])
        known.pop(NEGATIVE, None)
        state = self.client.adapt(texts, [str(label) for label in labels], named=named)
        self._state, self._known = state, known
        self.classes_ = np.unique(np.array(list(known.values())))
        return self

    def predict(self, texts: Iterable[str]) -> np.ndarray:
        """The likeliest intent of each text, `[texts]`."""
        chances = self.predict_proba(texts)
        return self.classes_[chances.argmax(axis=1)]

    def predict_proba(self, texts: Iterable[str]) -> np.ndarray:
        """The probability of each intent for each text, `[texts, classes]`."""
        answers = self.answer(texts)
        columns = [answers.class_names.index(str(label)) for label in self.classes_]
        return answers.probabilities[:, columns]

    def in_scope(self, texts: Iterable[str]) -> np.ndarray:
        """Whether each text belongs to any of the intents, `[texts]`."""
        return self.answer(texts).in_scope

    def answer(self, texts: Iterable[str]) -> Answers:
        """All that is known of each text, intents by name.

        Raises:
            RequestError: if the bot was taught nothing yet, or a text is none.
        """
        if self._state is None:
            raise RequestError("The bot knows nothing yet; call fit(texts, labels).")
        parts = _parts(_listed(texts, "texts"))
        pieces = [self.client.predict(self._state, part) for part in parts]
        margins = [piece.margins for piece in pieces if piece.margins is not None]
        return Answers(
            [intent for piece in pieces for intent in piece.intents],
            np.concatenate([piece.probabilities for piece in pieces]),
            np.concatenate([piece.in_scope for piece in pieces]),
            pieces[0].class_names,
            np.concatenate(margins) if margins else None,
        )

    def score(self, texts: Iterable[str], labels: Iterable[Hashable]) -> float:
        """The share of texts whose likeliest intent is the given one."""
        return float(
            np.mean(self.predict(texts) == np.array(_listed(labels, "labels")))
        )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments that the bot was made with, as scikit-learn asks for them."""
        return {"model": self.model}

    def set_params(self, **params: Any) -> "Bot":
        """Other arguments; what was learned with the old ones is forgotten."""
        Bot.__init__(self, **{**self.get_params(), **params})
        return self

    def __sklearn_tags__(self) -> Any:
        """Says to scikit-learn, where that is installed, that this is a classifier."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(one_d_array=True, two_d_array=False, string=True),
        )

    def embed(self, texts: Iterable[str]) -> np.ndarray:
        """The encoder's vectors, `[texts, dim]`; a bot need not have learned for it."""
        texts = _listed(texts, "texts")
        return np.concatenate([self.client.embed(part) for part in _parts(texts)])

    @cached_property
    def client(self) -> Client:
        """The service that learns and answers."""
        return client_of(self.model)

    def __getstate__(self) -> dict[str, Any]:
        # A connection is made anew wherever a bot is unpickled.
        return {k: v for k, v in vars(self).items() if k != "client"}

    def __repr__(self) -> str:
        return f"Bot(model={self.model!r})"


def client_of(model: Any) -> Client:
    """A client of what `Bot` takes as its model."""
    if isinstance(model, Client):
        return model
    if model is None:
        return _default_client()
    if isinstance(model, (str, Path)):
        return Client(model, timeout=SECONDS)
    return _client_in_process(model)


# Making a client of a learner takes seconds, so the bots of a process share it.
@cache
def _default_client() -> Client:
    from maml_tf.default_learner import default_calibration, default_learner

    return _client_in_process(
        default_learner(), class_names=True, calibration=default_calibration()
    )


@lru_cache(maxsize=4)
def _client_in_process(
    learner: Any, class_names: bool = False, calibration: Any = None
) -> Client:
    from maml_tf.learners import MetaLearner
    from maml_tf.serving.learner_transport import LearnerTransport
    from maml_tf.serving.request_checks import Limits

    if not isinstance(learner, MetaLearner):
        raise TypeError(
            "model has to be a learner, the folder of an export or a Client, not an "
            f"object of type {type(learner).__name__}."
        )
    limits = Limits(examples=1_000_000)
    transport = LearnerTransport(
        learner, limits=limits, class_names=class_names, calibration=calibration
    )
    return Client(transport, timeout=SECONDS)


def _listed(values: Any, name: str) -> list[Any]:
    if isinstance(values, (str, bytes)):
        raise RequestError(f"{name} has to be a list, not one string.")
    return list(values)


def _parts(texts: list[Any]) -> list[list[Any]]:
    """Never none: an empty list is refused by the model, in its own words."""
    return [
        texts[start : start + BATCH] for start in range(0, max(len(texts), 1), BATCH)
    ]


def _by_name(labels: list[Hashable]) -> dict[str, Hashable]:
    """Each label by the name that the model knows it under."""
    known: dict[str, Hashable] = {}
    for place, label in enumerate(labels):
        if label is None or label != label:  # NaN is not itself
            raise RequestError(f"labels[{place}] is {label!r}, which names no intent.")
        if known.setdefault(str(label), label) != label:
            raise RequestError(
                f"The labels {known[str(label)]!r} and {label!r} read the same; give "
                "one of them another name."
            )
    return known
