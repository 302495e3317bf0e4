"""WordPiece vocabularies made here: one from characters, one learned from texts."""

import string
from collections.abc import Iterable

import keras_nlp
import tensorflow as tf

from maml_tf.base_learners.errors import BaseLearnerError

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def character_vocabulary() -> list[str]:
    """Returns the vocabulary that spells lower-cased ASCII text letter by letter.

    It needs no data, so a model from scratch has a tokenizer before it has a corpus.
    Punctuation has no ``##`` form because the tokenizer always splits around it.

    Returns:
        Five special tokens, then 68 first characters, then 36 continuations.

    Example:

    >>> tokens = character_vocabulary()
    >>> len(tokens), tokens[:3], tokens[-1]
    (109, ['[PAD]', '[UNK]', '[CLS]'], '##9')
    """
    words = string.ascii_lowercase + string.digits
    return [
        *SPECIAL_TOKENS,
        *(words + string.punctuation),
        *(f"##{character}" for character in words),
    ]


def learn_vocabulary(texts: Iterable[str], size: int) -> list[str]:
    """Learns a lower-cased WordPiece vocabulary from texts, the same at every run.

    The tokens of `character_vocabulary` always belong to it, so that a word never
    seen here is spelled instead of lost.

    Args:
        texts: The sentences to learn from.
        size: The most tokens to return, special tokens and characters included.

    Returns:
        At most `size` distinct tokens.

    Raises:
        BaseLearnerError: There is no text, or `size` leaves no room beyond the
            characters.

    Example:

    >>> tokens = learn_vocabulary(["turn on the light", "turn off the light"] * 5, 130)
    >>> "light" in tokens, "[CLS]" in tokens, len(tokens) <= 130
    (True, True, True)
    """
    texts = list(texts)
    if not any(text.strip() for text in texts):
        raise BaseLearnerError("A vocabulary cannot be learned from no text at all.")
    characters = character_vocabulary()
    if size <= len(characters):
        raise BaseLearnerError(
            f"A vocabulary of {size} tokens has no room for words: the special tokens "
            f"and characters alone are {len(characters)}."
        )
    learned = keras_nlp.tokenizers.compute_word_piece_vocabulary(
        tf.data.Dataset.from_tensor_slices(texts),
        vocabulary_size=size,
        lowercase=True,
        reserved_tokens=list(SPECIAL_TOKENS),
    )
    known = set(characters)
    return (characters + [token for token in learned if token not in known])[:size]
