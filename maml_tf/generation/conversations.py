"""Turns of conversations as token ids, in the graph: what a model reads and answers."""

from typing import Any, NamedTuple

import tensorflow as tf

from maml_tf.base_learners.chat_template import ChatTemplate


class Encoded(NamedTuple):
    """Conversations as numbers.

    Attributes:
        token_ids: ragged int32 [conversations, length].
        own: ragged float32, 1 for the tokens of the assistant's turns and their ends, 0
            for all others.
    """

    token_ids: tf.RaggedTensor
    own: tf.RaggedTensor


class ConversationEncoder:
    """Puts a chat template around turns; the user speaks first, then they alternate.

    A control token's spelling in a turn is text.

    Args:
        tokenizer: from texts to ids, in the graph.
        template: what stands around turns.

    Example:

    >>> import keras_nlp
    >>> template = ChatTemplate((1,), (2,), (3,), (4,))
    >>> encoder = ConversationEncoder(keras_nlp.tokenizers.ByteTokenizer(), template)
    >>> encoder.dialogues(tf.constant([["a", "b"]])).token_ids.to_list()
    [[1, 2, 97, 4, 3, 98, 4]]
    >>> encoder.prompt(tf.constant(["a"])).to_list()
    [[1, 2, 97, 4, 3]]
    """

    def __init__(self, tokenizer: Any, template: ChatTemplate) -> None:
        # Some of Keras-NLP's make their tables at first use, which must be in no graph.
        getattr(tokenizer, "_maybe_initialized_tf", lambda: None)()
        # A function, for outside a graph some of Keras-NLP's give lists.
        self._tokenize = tf.function(
            lambda texts: tf.cast(tokenizer.tokenize(texts), tf.int32),
            input_signature=[tf.TensorSpec([None], tf.string)],
            autograph=False,
        )
        self._template = template

    def dialogues(self, turns: tf.Tensor) -> Encoded:
        """Encodes whole dialogues.

        Args:
            turns: [dialogues, turns], shorter dialogues filled up with "".
        """
        count = tf.shape(turns)[1]
        own = tf.broadcast_to(tf.range(count) % 2, tf.shape(turns))
        there = turns != ""
        pieces = self._pieces(
            tf.boolean_mask(turns, there), tf.boolean_mask(own, there)
        )
        counts = tf.reduce_sum(tf.cast(there, tf.int64), axis=1)
        joined = [
            tf.RaggedTensor.from_row_lengths(part, counts).merge_dims(1, 2)
            for part in pieces
        ]
        start = self._rows([self._template.start], tf.zeros_like(counts))
        quiet = tf.cast(tf.zeros_like(start), tf.float32)
        return Encoded(
            tf.concat([start, joined[0]], 1), tf.concat([quiet, joined[1]], 1)
        )

    def prompt(self, turns: tf.Tensor) -> tf.RaggedTensor:
        """Encodes one conversation [turns] that awaits a reply: ragged [1, length]."""
        before = self._rows([self._template.before_assistant], tf.zeros([1], tf.int64))
        return tf.concat([self.dialogues(turns[tf.newaxis]).token_ids, before], 1)

    def with_replies(self, turns: tf.Tensor, replies: tf.Tensor) -> Encoded:
        """Encodes one conversation [turns] before each of the replies [replies].

        `own` is 1 for the reply's tokens and its end alone.
        """
        one = self.dialogues(turns[tf.newaxis]).token_ids
        before = self._rows([one[0]], tf.zeros(tf.shape(replies), tf.int64))
        pieces, own = self._pieces(replies, tf.ones_like(replies, tf.int32))
        quiet = tf.cast(tf.zeros_like(before), tf.float32)
        return Encoded(tf.concat([before, pieces], 1), tf.concat([quiet, own], 1))

    def _pieces(
        self, texts: tf.Tensor, own: tf.Tensor
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        """Turns [turns] with what stands around each, and which tokens are own."""
        template = self._template
        before = self._rows([template.before_user, template.before_assistant], own)
        ids = self._tokenize(texts).with_row_splits_dtype(tf.int64)
        after = self._rows([template.after_turn], tf.zeros_like(own))
        said = tf.concat([ids, after], 1)
        weights = tf.cast(tf.repeat(own, said.row_lengths()), tf.float32)
        quiet = tf.cast(tf.zeros_like(before), tf.float32)
        return tf.concat([before, said], 1), tf.concat(
            [quiet, said.with_values(weights)], 1
        )

    @staticmethod
    def _rows(choices: list[Any], places: tf.Tensor) -> tf.RaggedTensor:
        """The choices at places [rows], ragged int32 [rows, length]."""
        values = [tf.cast(tf.reshape(choice, [-1]), tf.int32) for choice in choices]
        rows = tf.ragged.stack(values).with_row_splits_dtype(tf.int64)
        return tf.gather(rows, places)
