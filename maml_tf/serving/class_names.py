"""Names of intents as examples of them, read inside the graph.

A bot's intents have names, and "card_arrival" says of its texts what another example
would. Chosen on validation classes, a name weighs as much as one example, however many
there are (docs/pretraining.md). Names that are no words stay labels.
"""

import tensorflow as tf

from maml_tf.episodes.class_names import A_WORD, NO_WORDS

# `name_as_words` and `reads_like_words`, operation by operation.
_CUTS = (
    (r"([\p{Ll}\p{Nd}])(\p{Lu})", r"\1 \2"),
    (r"(\p{Lu})(\p{Lu}\p{Ll})", r"\1 \2"),
    (r"(\p{L})(\p{Nd})", r"\1 \2"),
    (r"[^\p{L}\p{N}\p{M}]+", " "),
)


def words_of(names: tf.Tensor) -> tf.Tensor:
    """Names `[classes]` as words in lower case.

    Example:

    >>> words_of(tf.constant(["card_arrival", "HassTurnOn"])).numpy().tolist()
    [b'card arrival', b'hass turn on']
    """
    for pattern, replacement in _CUTS:
        names = tf.strings.regex_replace(names, pattern, replacement)
    return tf.strings.strip(tf.strings.lower(names, encoding="utf-8"))


def are_words(words: tf.Tensor) -> tf.Tensor:
    """Which of `words_of` say something, bool `[classes]`.

    Example:

    >>> are_words(words_of(tf.constant(["card_arrival", "intent_17", "A"]))).numpy()
    array([ True, False, False])
    """
    rest = tf.strings.regex_replace(words, rf"\b(?:{NO_WORDS})\b", "")
    pattern = rf"(?s).*(?:[\x{{80}}-\x{{10FFFF}}]|{A_WORD}).*"
    return tf.strings.regex_full_match(rest, pattern)


def with_names(
    texts: tf.Tensor, numbers: tf.Tensor, names: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Examples and one more of each class whose name tells it from the others.

    A text that is its class's own name, taught by that alone, is read as words too.

    Args:
        texts: `[examples]`.
        numbers: the class of each, an index into `names`.
        names: `[classes]`.

    Returns:
        Texts `[more]` and the class of each.

    Example:

    >>> texts, numbers = with_names(tf.constant(["where is it", "7"]),
    ...                             tf.constant([0, 1]),
    ...                             tf.constant(["card_arrival", "intent_17"]))
    >>> texts.numpy().tolist(), numbers.numpy().tolist()
    ([b'where is it', b'7', b'card arrival'], [0, 1, 0])
    """
    words = words_of(names)
    _, first_of, count = tf.unique_with_counts(words)
    # "cardArrival" beside "card_arrival" says nothing of which is meant.
    telling = are_words(words) & tf.equal(tf.gather(count, first_of), 1)
    own = tf.equal(texts, tf.gather(names, numbers))
    texts = tf.where(own, tf.gather(words, numbers), texts)
    classes = tf.range(tf.size(names), dtype=numbers.dtype)
    return (
        tf.concat([texts, tf.boolean_mask(words, telling)], 0),
        tf.concat([numbers, tf.boolean_mask(classes, telling)], 0),
    )
