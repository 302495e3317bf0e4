"""A small BERT from scratch: sizes in, backbone and preprocessor out."""

from collections.abc import Sequence

import keras
import keras_nlp

from maml_tf.base_learners.errors import BaseLearnerError
from maml_tf.base_learners.presets import PRESET_FORMS, Pretrained
from maml_tf.base_learners.vocabulary import character_vocabulary

_SIZES = ("num_layers", "hidden_dim", "num_heads", "intermediate_dim")


def parse_scratch(preset: str) -> dict[str, int]:
    """Reads the sizes out of ``scratch`` or ``scratch:num_layers=2,hidden_dim=128``.

    Args:
        preset: The string as a command line gives it.

    Returns:
        The sizes it names; the caller has defaults for the others.

    Raises:
        BaseLearnerError: A part is no ``size=integer``, or no size has that name.

    Example:

    >>> parse_scratch("scratch:num_layers=1,hidden_dim=16")
    {'num_layers': 1, 'hidden_dim': 16}
    >>> parse_scratch("scratch")
    {}
    """
    sizes = {}
    for part in filter(None, preset.removeprefix("scratch").lstrip(":").split(",")):
        name, _, value = (text.strip() for text in part.partition("="))
        if name not in _SIZES or not value.isdecimal():
            raise BaseLearnerError(
                f"{part!r} in {preset!r} is not one of "
                f"{', '.join(f'{size}=INTEGER' for size in _SIZES)}; {PRESET_FORMS}."
            )
        sizes[name] = int(value)
    return sizes


def make_from_scratch(
    *,
    num_layers: int = 2,
    hidden_dim: int = 128,
    num_heads: int = 2,
    intermediate_dim: int | None = None,
    dropout: float = 0.0,
    sequence_length: int = 64,
    vocabulary: Sequence[str] | None = None,
    seed: int | None = None,
) -> Pretrained:
    """Makes a BERT of the sizes given, with random weights and its preprocessor.

    Args:
        num_layers: Transformer blocks.
        hidden_dim: Width of the model.
        num_heads: Attention heads; has to divide `hidden_dim`.
        intermediate_dim: Width inside the feed-forward layers, 4 * `hidden_dim` if
            None.
        dropout: Rate of all dropout in the backbone.
        sequence_length: The length texts are padded and cropped to, also the largest
            the model takes.
        vocabulary: WordPiece tokens; the characters of ASCII if None.
        seed: Makes the weights reproducible.

    Returns:
        Backbone and preprocessor, in the form a loaded preset has.

    Raises:
        BaseLearnerError: The sizes do not fit together or a special token is missing.

    Example:

    >>> made = make_from_scratch(num_layers=1, hidden_dim=8, sequence_length=6)
    >>> made.preprocessor(["hi"])["token_ids"].shape
    TensorShape([1, 6])
    """
    for name, size in (
        ("num_layers", num_layers),
        ("hidden_dim", hidden_dim),
        ("num_heads", num_heads),
        ("intermediate_dim", 1 if intermediate_dim is None else intermediate_dim),
    ):
        if size < 1:
            raise BaseLearnerError(f"{name} has to be at least 1 and is {size}.")
    if hidden_dim % num_heads:
        raise BaseLearnerError(
            f"hidden_dim={hidden_dim} is no multiple of num_heads={num_heads}."
        )
    tokens = list(vocabulary) if vocabulary is not None else character_vocabulary()
    missing = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"} - set(tokens)
    if missing:
        raise BaseLearnerError(
            f"The vocabulary lacks the special tokens {', '.join(sorted(missing))}."
        )
    tokenizer = keras_nlp.models.BertTokenizer(
        tokens, lowercase=True, strip_accents=True
    )
    preprocessor = keras_nlp.models.BertTextClassifierPreprocessor(
        tokenizer, sequence_length=sequence_length
    )
    backbone = keras_nlp.models.BertBackbone(
        vocabulary_size=len(tokens),
        num_layers=num_layers,
        num_heads=num_heads,
        hidden_dim=hidden_dim,
        intermediate_dim=intermediate_dim or 4 * hidden_dim,
        dropout=dropout,
        max_sequence_length=sequence_length,
    )
    if seed is not None:
        _seed_weights(backbone, seed)
    return Pretrained(backbone, preprocessor, exact_gelu=False)


def _seed_weights(backbone: keras.Model, seed: int) -> None:
    """Draws anew what Keras-NLP draws from an unseeded initializer, likewise."""
    for index, variable in enumerate(backbone.weights):
        if variable.name in ("kernel", "embeddings"):
            initializer = keras.initializers.TruncatedNormal(
                stddev=0.02, seed=seed + index
            )
            variable.assign(initializer(variable.shape, dtype=variable.dtype))
