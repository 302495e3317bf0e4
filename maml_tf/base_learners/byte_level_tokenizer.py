"""GPT-2's byte-level byte-pair encoding in the graph, with single digits if wanted.

Keras-NLP's own `BytePairTokenizer` merges; what differs here is how a text is cut into
words first. Its emulation of GPT-2's regular expression knows no single digits and not
all white space, and runs another expression outside a graph than inside.
"""

from typing import Any

import keras
import keras_nlp
import tensorflow as tf
import tensorflow_text as tf_text

# Unicode's white space; RE2's \s is ASCII's alone.
_SPACE = (
    r"\t\n\x{0B}\f\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}"
    r"\x{205F}\x{3000}"
)
_NUL = "\U0010ffff"
_DIGIT = r"\p{N}"
# What GPT-2's lookahead `\s+(?!\S)` says, without one: of white space before something
# else, the last character goes with what follows.
_BLOCK = f"[{_SPACE}]?[^{_SPACE}]+"
_WORD = (
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+"
    rf"| ?[^{_SPACE}\p{{L}}\p{{N}}]+|[{_SPACE}]+"
)

# Words that are kept with their tokens, the first ones that are met, and the longest of
# them in bytes; else a server would keep whatever anybody ever typed.
MOST_KEPT = 50_000
LONGEST_KEPT = 64


@keras.saving.register_keras_serializable(package="maml_tf")
class ByteLevelTokenizer(keras_nlp.tokenizers.BytePairTokenizer):
    """Texts to the ids that Hugging Face's and llama.cpp's tokenizers give.

    Control tokens are never read from a text: "<|im_start|>" typed by a user is the
    characters it consists of. Bytes that are no UTF-8 count as U+FFFD; characters whose
    byte is not in the vocabulary are dropped, as Hugging Face's tokenizer does.

    Args:
        vocabulary: Token to id, the tokens spelled in GPT-2's printable bytes.
        merges: Pairs of tokens, "a b", the most urgent first.
        split_digits: Whether every digit is a word of its own, as in SmolLM2.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        inputs: Texts, a string or [batch].

    Returns:
        int32 ids, [length] for one text, ragged [batch, length] for several.

    Example:

    >>> tokenizer = ByteLevelTokenizer(
    ...     {"h": 0, "i": 1, "1": 2, "hi": 3}, ["h i"], split_digits=True
    ... )
    >>> tokenizer(["hi11", "ih"]).to_list()
    [[3, 2, 2], [1, 0]]
    """

    def __init__(
        self,
        vocabulary: dict[str, int] | str | None = None,
        merges: list[str] | str | None = None,
        split_digits: bool = False,
        **kwargs: Any,
    ) -> None:
        # Keras-NLP's words in Python differ from those in the graph: the graph's alone
        # are used. No token is unsplittable, so none is taken for control.
        kwargs.update(unsplittable_tokens=[], _allow_python_workflow=False)
        super().__init__(vocabulary, merges, **kwargs)
        self.split_digits = split_digits

    def tokenize(self, inputs: Any) -> tf.Tensor | tf.RaggedTensor:
        """Texts, a string or [batch], to ids, [length] or ragged [batch, length]."""
        self._check_vocabulary()
        texts = tf.convert_to_tensor(inputs, tf.string)
        with tf.device("cpu"):
            flat = tf.reshape(texts, [-1])
            ids = self._in_graph(flat) if tf.executing_eagerly() else self._ids(flat)
        return ids if texts.shape.rank else ids.flat_values

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor but vocabulary and merges."""
        config = {**super().get_config(), "split_digits": self.split_digits}
        for fixed in ("unsplittable_tokens", "add_prefix_space", "sequence_length"):
            config.pop(fixed, None)
        return config

    def _set_vocabulary_and_merges_tf(self, *arguments: Any) -> None:
        """Fills the tables; merging outside a graph would be traced at every call."""
        super()._set_vocabulary_and_merges_tf(*arguments)
        self._in_graph = tf.function(
            self._ids,
            input_signature=[tf.TensorSpec([None], tf.string)],
            autograph=False,
        )

    def _ids(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Texts [batch] to ids, ragged [batch, length]."""
        return self._ids_of_words(self._words(texts))

    def _merged(self, words: tf.Tensor) -> tf.Tensor:
        """The tokens of each of words [count], joined by spaces."""
        spelled = self.byte2unicode.lookup(tf.strings.bytes_split(words))
        return tf.strings.reduce_join(self._bpe_merge_tf(spelled), 1, separator=" ")

    def _keep(self, words: tf.Tensor, merged: tf.Tensor) -> None:
        """Keeps short words with their tokens while there is room."""
        short = tf.strings.length(words) <= LONGEST_KEPT
        room = tf.maximum(MOST_KEPT - self.cache.id2value.size(), 0)
        kept, tokens = (tf.boolean_mask(t, short)[:room] for t in (words, merged))
        self.cache.insert(kept, tokens)

    def _words(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Cuts texts [batch] into words, ragged [batch, words]."""
        valid = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")
        # The splitting ends a text at a NUL: one that is no character stands in.
        without_nul = tf.strings.regex_replace(valid, r"\x{00}", _NUL)
        pieces = tf.RaggedTensor.from_tensor(without_nul[:, tf.newaxis])
        for pattern in (_DIGIT,) * self.split_digits + (_BLOCK, _WORD):
            split = tf_text.regex_split(pieces.flat_values, pattern, pattern)
            pieces = tf.RaggedTensor.from_row_splits(
                split.flat_values, tf.gather(split.row_splits, pieces.row_splits)
            )
        words = tf.strings.regex_replace(pieces.flat_values, _NUL, "\x00")
        if unknown := self._ascii_without_token():
            words = tf.strings.regex_replace(words, f"[{unknown}]", "")
        pieces = pieces.with_flat_values(words)
        return tf.ragged.boolean_mask(pieces, pieces != "")

    def _ascii_without_token(self) -> str:
        """The ASCII characters that the vocabulary lacks, as a regular expression's."""
        printable = range(33, 127)
        # GPT-2 spells the bytes that cannot be printed by the letters from U+0100 on.
        spelled = {byte: chr(byte) for byte in printable}
        others = (byte for byte in range(128) if byte not in printable)
        spelled |= {byte: chr(256 + place) for place, byte in enumerate(others)}
        unknown = (byte for byte in spelled if spelled[byte] not in self.vocabulary)
        return "".join(rf"\x{{{byte:02x}}}" for byte in unknown)

    def _ids_of_words(self, words: tf.RaggedTensor) -> tf.RaggedTensor:
        """The ids of each text's words, one after the other; words seen are kept."""
        flat = words.flat_values
        known = self.cache.lookup(flat)

        def merge_new_words() -> tf.Tensor:
            is_new = known == ""
            new, numbers = tf.unique(tf.boolean_mask(flat, is_new))
            merged = self._merged(new)
            self._keep(new, merged)
            # Not looked up again: not every word is kept.
            places, found = tf.where(is_new), tf.gather(merged, numbers)
            return tf.tensor_scatter_nd_update(known, places, found)

        merged = tf.cond(tf.reduce_any(known == ""), merge_new_words, lambda: known)
        tokens = tf.strings.split(merged, sep=" ")
        ids = tokens.with_flat_values(self.token_to_id_map.lookup(tokens.flat_values))
        of_texts = tf.RaggedTensor.from_row_splits(
            ids.flat_values, tf.gather(ids.row_splits, words.row_splits)
        )
        return tf.ragged.boolean_mask(of_texts, of_texts >= 0)
