"""What a base learner is: the contracts, checked with `isinstance`.

Every learner asks for a `BaseLearner` and no more. What can be done beside that with a
text model follows from which of the wider contracts its base learner keeps, so that a
model of anybody's own gets it by having the members, without a base class.
"""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import keras

from maml_tf.base_learners.errors import BaseLearnerError


@runtime_checkable
class BaseLearner(Protocol):
    """From inputs to predictions, with weights: all that `MAML` needs.

    Any `keras.Model` keeps it. Its call takes inputs `[batch, ...]`, a tensor or a
    nest of tensors, to predictions `[batch, ...]`, and reads its weights from its
    variables alone, so that others can stand in their place.

    Attributes:
        variables: all of them, seeds and batch statistics included.
        trainable_variables: those that may be fast weights or meta-trained.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    >>> isinstance(model, BaseLearner), isinstance("bert", BaseLearner)
    (True, False)
    """

    @property
    def variables(self) -> Sequence[keras.Variable]: ...

    @property
    def trainable_variables(self) -> Sequence[keras.Variable]: ...

    def __call__(self, inputs: Any, /) -> Any: ...


@runtime_checkable
class TextEncoding(BaseLearner, Protocol):
    """A text encoder: tokens in, one vector a text out.

    Its layers before the first fast weight can then run once a task.

    Attributes:
        preprocessor: from a list of strings to the nest of tensors `[batch, length]`
            that the call takes; None where the texts come as tensors.
        backbone: the model from tokens to a vector for each, a functional one.
        output_dim: the width of the vectors.

    Example:

    >>> from maml_tf.base_learners import create_text_encoder
    >>> isinstance(create_text_encoder(num_layers=1, hidden_dim=8), TextEncoding)
    True
    """

    preprocessor: Any
    backbone: Any
    output_dim: int

    def pool(self, outputs: Any, padding_mask: Any) -> Any:
        """Vectors `[batch, output_dim]` of the backbone's outputs; has no weights."""


@runtime_checkable
class OnEncoder(BaseLearner, Protocol):
    """A text model that puts something, a head or a projection, on an encoder.

    Attributes:
        preprocessor: from a list of strings to the nest of tensors `[batch, length]`
            that the call takes.
        encoder: from those tensors to features `[batch, dim]`.

    Example:

    >>> from maml_tf.base_learners import create_model
    >>> model = create_model(num_layers=1, hidden_dim=8)
    >>> isinstance(model, OnEncoder), isinstance(model.encoder, OnEncoder)
    (True, False)
    """

    @property
    def preprocessor(self) -> Any: ...

    encoder: Any


@runtime_checkable
class TextBaseLearner(OnEncoder, Protocol):
    """A text classifier in two parts: `classify(encode(inputs))` is its call.

    Adapting the head alone then encodes each text once, prototypes can be made of what
    the head sees, and raw strings can be served.

    Attributes:
        head: the second part, a layer from features to logits.
        num_classes: the number of logits, so the most ways that a task may have.

    Example:

    >>> from maml_tf.base_learners import create_model
    >>> isinstance(create_model(num_layers=1, hidden_dim=8), TextBaseLearner)
    True
    """

    head: Any
    num_classes: int

    def encode(self, inputs: Any, training: bool = False) -> Any:
        """Features `[batch, dim]`."""

    def classify(self, features: Any, training: bool = False) -> Any:
        """Logits `[batch, num_classes]` of features `[batch, dim]`."""


@runtime_checkable
class GenerativeBaseLearner(BaseLearner, Protocol):
    """A causal language model: `score(backbone(inputs), token_ids)` is its call.

    Its layers before the first fast weight can then run once a task. Inputs may have
    `places` `[batch, asked]`, which `score` gets too: the tokens that are asked for.

    Attributes:
        backbone: the model from `token_ids` and `padding_mask` `[batch, length]` to
            hidden states `[batch, length, width]`, a functional one.
        tokenizer: from strings to token numbers and back.
        output_words: the layers whose variables `score` reads.

    Example:

    >>> isinstance(keras.Sequential(), GenerativeBaseLearner)
    False
    """

    backbone: Any
    tokenizer: Any
    output_words: Sequence[keras.layers.Layer]

    def score(self, hidden: Any, token_ids: Any, places: Any = None) -> Any:
        """The log-likelihood of each token after those before it `[batch, length]`.

        With places, of the tokens there alone `[batch, asked]`.
        """

    def logits(self, inputs: Any) -> Any:
        """Scores of the next token `[batch, length, vocabulary]`."""


def check_base_learner(given: Any) -> None:
    """Raises unless `given` is a Keras model that can be a base learner.

    Raises:
        BaseLearnerError: saying what was given instead and how to make a model of it.

    Example:

    >>> try:
    ...     check_base_learner("bert_tiny_en_uncased")
    ... except BaseLearnerError as error:
    ...     print(error)
    A base learner is a Keras model, not the string 'bert_tiny_en_uncased'; make one of
    a preset with maml_tf.create_model('bert_tiny_en_uncased').
    """
    if isinstance(given, keras.layers.Layer) and isinstance(given, BaseLearner):
        return
    if isinstance(given, str):
        raise BaseLearnerError(
            f"A base learner is a Keras model, not the string {given!r}; make one of a "
            f"preset with maml_tf.create_model({given!r})."
        )
    kind = given if isinstance(given, type) else type(given)
    if any(base.__module__.startswith("tf_keras.") for base in kind.__mro__):
        raise BaseLearnerError(
            f"{kind.__name__} is a tf-keras (Keras 2) model; wrap it with "
            "maml_tf.base_learners.from_tf_keras(model)."
        )
    if isinstance(given, type):
        raise BaseLearnerError(
            f"A base learner is a Keras model, not the class {kind.__name__}; make one "
            f"of it, {kind.__name__}(…)."
        )
    raise BaseLearnerError(
        "A base learner is a Keras model, from inputs to predictions, and not an "
        f"object of type {kind.__name__}."
    )
