"""What an export of a language model can be asked: adapt, generate and score.

Raw strings go in and out. A conversation is its turns in order, the user's first; the
model speaks for the other side, whose style it adapts to.
"""

from typing import Any

import tensorflow as tf

from maml_tf.generation import Generator, Sampling
from maml_tf.generation.conversations import ConversationEncoder, Encoded
from maml_tf.learners import MAML
from maml_tf.serving.limits import Limits
from maml_tf.serving.request_checks import Faults, check_strings
from maml_tf.serving.state import StateLayout, fingerprint

Tensors = dict[str, tf.Tensor]


class ServedLanguageModel:
    """The served functions of a learner over a causal language model.

    Args:
        learner: a built learner, `MAML` or one of its kind, whose base learner has
            `backbone`, `tokenizer` and `chat_template` and gives log-likelihoods of
            tokens.
        limits: `examples` is the most dialogues, `queries` the most turns and replies.
        max_tokens: the longest dialogue, or conversation with its reply, that is read.
    """

    def __init__(
        self, learner: MAML, limits: Limits | None = None, max_tokens: int = 1024
    ) -> None:
        self.learner = learner
        self.limits = limits or Limits(examples=100, queries=200)
        self.max_tokens = max_tokens
        base = learner.base_learner
        self._encoder = ConversationEncoder(base.tokenizer, base.chat_template)
        self._generator = Generator(base)
        ids = tf.TensorSpec([None, None], tf.int32)
        traced = tf.function(self._fast_weights, autograph=False)
        self._adapt = traced.get_concrete_function(
            ids, ids, tf.TensorSpec([None, None], tf.float32)
        )
        self.layout = StateLayout(self._adapt.structured_outputs, fingerprint(learner))

    def adapt(self, dialogues: Any) -> Tensors:
        """The state that dialogues [dialogues, turns] teach.

        Shorter dialogues are filled up with "". The second turn of each, the fourth and
        so on are what is learned.
        """
        dialogues = tf.ensure_shape(dialogues, [None, None])
        faults = Faults()
        there = dialogues != ""
        counts = tf.reduce_sum(tf.cast(there, tf.int32), axis=1)
        faults.add(tf.equal(tf.size(counts), 0), "There is no dialogue to learn from.")
        faults.add(
            tf.size(counts) > self.limits.examples,
            "There are ",
            tf.size(counts),
            f" dialogues; this model learns from at most {self.limits.examples}.",
        )
        faults.add(
            tf.reduce_any(there != tf.sequence_mask(counts, tf.shape(there)[1])),
            "dialogues holds an empty turn before others; leave it out or write "
            "something there.",
        )
        faults.add(
            tf.reduce_any(counts < 2),
            "A dialogue needs turns of both sides; the model learns from the second, "
            "the fourth and so on.",
        )
        texts = tf.boolean_mask(dialogues, there)
        check_strings(faults, texts, "dialogues", self.limits.text_bytes)
        encoded = self._encoder.dialogues(faults.guard(dialogues))
        ids, mask, own = self._padded(encoded, "A dialogue")
        state = self.layout.pack(self._adapt(ids, mask, own), _no_names())
        diverged = Faults()
        diverged.add(
            ~tf.reduce_all(tf.math.is_finite(state)),
            "Learning from these dialogues gave NaN or infinity; the model's inner "
            "learning rate may be too large for them.",
        )
        return {"state": diverged.guard(state)}

    def generate(
        self,
        state: Any,
        turns: Any,
        temperature: Any,
        top_k: Any,
        top_p: Any,
        seed: Any,
        max_new_tokens: Any,
        stops: Any,
    ) -> Tensors:
        """The reply to a conversation [turns] that ends with the user's turn.

        Args:
            state: from `adapt`.
            turns: [turns], user's first.
            temperature, top_k, top_p, seed: see `Sampling`; scalars.
            max_new_tokens: the most tokens of the reply.
            stops: strings [stops] before which the reply ends.
        """
        faults = Faults()
        self._check_conversation(faults, state, turns)
        wrong = (temperature < 0) | ~tf.math.is_finite(temperature)
        faults.add(wrong, "temperature must be 0, for the likeliest, or more.")
        faults.add(top_k < 0, "top_k must be 0, for all tokens, or more.")
        faults.add(~((top_p >= 0) & (top_p <= 1)), "top_p must be between 0 and 1.")
        faults.add(max_new_tokens < 1, "max_new_tokens must be 1 or more.")
        faults.add(
            max_new_tokens > self.max_tokens,
            f"max_new_tokens must be at most {self.max_tokens}.",
        )
        state, turns = faults.guard((state, turns))
        prompt = self._encoder.prompt(turns)
        long = Faults()
        lengths = prompt.row_lengths()
        whole = "The conversation with the reply's max_new_tokens"
        self._check_length(long, lengths, whole, max_new_tokens)
        loop = self.learner.inner_loop
        found = self._generator.adapted(
            loop.functional,
            [weight[0] for _, weight in sorted(self.layout.unpack(state).items())],
            loop.constants(),
            long.guard(prompt),
            Sampling(temperature, top_k, top_p, seed),
            max_new_tokens=max_new_tokens,
            stops=stops,
        )
        return {"texts": found.texts}

    def score(self, state: Any, turns: Any, replies: Any) -> Tensors:
        """Log-likelihoods [replies] of each reply, its end included, after turns."""
        faults = Faults()
        self._check_conversation(faults, state, turns)
        faults.add(tf.equal(tf.size(replies), 0), "replies holds no text.")
        self._check_count(faults, replies, "replies")
        check_strings(faults, replies, "replies", self.limits.text_bytes)
        state, turns, replies = faults.guard((state, turns, replies))
        encoded = self._encoder.with_replies(turns, replies)
        ids, mask, own = self._padded(encoded, "The conversation with a reply")
        inputs = {"token_ids": ids[tf.newaxis], "padding_mask": mask[tf.newaxis]}
        found = self.learner.predict_adapted(self.layout.unpack(state), inputs)[0]
        return {"log_likelihoods": tf.reduce_sum(own * tf.cast(found, own.dtype), -1)}

    def _fast_weights(self, ids: tf.Tensor, mask: tf.Tensor, own: tf.Tensor) -> Tensors:
        inputs = {"token_ids": ids[tf.newaxis], "padding_mask": mask[tf.newaxis]}
        return dict(self.learner.adapt(inputs, own[tf.newaxis]))

    def _check_conversation(self, faults: Faults, state: Any, turns: Any) -> None:
        self.layout.check(faults, state, _no_names())
        faults.add(
            tf.equal(tf.size(turns) % 2, 0),
            "turns must begin and end with the user's; there are ",
            tf.size(turns),
            ", an even number.",
        )
        self._check_count(faults, turns, "turns")
        check_strings(faults, turns, "turns", self.limits.text_bytes)

    def _check_count(self, faults: Faults, texts: Any, name: str) -> None:
        faults.add(
            tf.size(texts) > self.limits.queries,
            f"{name} has ",
            tf.size(texts),
            f" entries; at most {self.limits.queries} are read.",
        )

    def _check_length(
        self, faults: Faults, lengths: tf.Tensor, name: str, more: Any = 0
    ) -> None:
        """Notes rows of so many tokens [rows] that are too long, with `more` behind."""
        most = tf.reduce_max(tf.cast(lengths, tf.int32)) + more
        faults.add(
            most > self.max_tokens,
            f"{name} takes ",
            most,
            f" tokens; at most {self.max_tokens} are read.",
        )

    def _padded(self, encoded: Encoded, name: str) -> Any:
        """Ids, mask and weights [rows, length] of ragged ones that are not too long."""
        faults = Faults()
        lengths = encoded.token_ids.row_lengths()
        self._check_length(faults, lengths, name)
        mask = tf.cast(tf.sequence_mask(lengths), tf.int32)
        return faults.guard(
            (encoded.token_ids.to_tensor(), mask, encoded.own.to_tensor())
        )


def _no_names() -> tf.Tensor:
    """A state goes with the names of its classes; here it has none."""
    return tf.zeros([0], tf.string)
