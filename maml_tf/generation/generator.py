"""Replies to prompts, inside the graph: sampler, length and stop strings are inputs."""

from typing import Any, NamedTuple, Protocol

import keras
import tensorflow as tf

from maml_tf.base_learners.chat_template import ChatTemplate
from maml_tf.generation.cached_decoder import CachedDecoder
from maml_tf.generation.plain_slices import update_places
from maml_tf.generation.sampling import Sampling, choose_tokens
from maml_tf.generation.stop_strings import before_stops
from maml_tf.inner_loop.functional_model import FunctionalModel

GREEDY = Sampling()


class LanguageModel(Protocol):
    """What of a base learner is needed here."""

    backbone: keras.Model
    tokenizer: Any
    chat_template: ChatTemplate


class Generated(NamedTuple):
    """What was generated.

    Attributes:
        texts: [prompts], without the token or string that ended them.
        token_ids: ragged int32 [prompts, length], likewise.
    """

    texts: tf.Tensor
    token_ids: tf.RaggedTensor


class _Running(NamedTuple):
    """What the loop over places carries.

    `ends` is the place after each text's last token, as far as is known.
    """

    place: tf.Tensor
    token_ids: tf.Tensor
    cache: tf.Tensor
    ends: tf.Tensor
    open: tf.Tensor


class Generator:
    """Continues prompts, token by token, in a graph or outside.

    Args:
        model: with `backbone`, `tokenizer` and `chat_template`.

    Raises:
        BaseLearnerError: nothing generates with its backbone.

    Example:

    >>> import keras_nlp
    >>> from types import SimpleNamespace
    >>> model = SimpleNamespace(
    ...     backbone=keras_nlp.models.LlamaBackbone(258, 1, 1, 4, 8, 1),
    ...     tokenizer=keras_nlp.tokenizers.ByteTokenizer(),
    ...     chat_template=ChatTemplate((), (256,), (256,), (257,)),
    ... )
    >>> prompts = tf.ragged.constant([[104, 105], [104]])
    >>> Generator(model)(prompts, max_new_tokens=3).texts.shape
    TensorShape([2])
    """

    def __init__(self, model: LanguageModel) -> None:
        self._tokenizer = model.tokenizer
        # Some of Keras-NLP's make their tables at first use, which must be in no graph.
        getattr(self._tokenizer, "_maybe_initialized_tf", lambda: None)()
        self._decoder = CachedDecoder(model.backbone)
        template = model.chat_template
        self._end_ids = sorted({template.end_of_turn, *template.control})

    def __call__(
        self,
        prompts: tf.RaggedTensor,
        sampling: Sampling = GREEDY,
        *,
        max_new_tokens: Any = 64,
        stops: Any = (),
    ) -> Generated:
        """Continues each prompt until its end, a stop string or enough tokens.

        Args:
            prompts: token ids, ragged [prompts, length], each with one at least.
            sampling: how tokens are chosen.
            max_new_tokens: the most tokens of a reply.
            stops: strings [stops] before which a text ends.

        Returns:
            Texts and ids.
        """
        stops = tf.reshape(tf.convert_to_tensor(stops, tf.string), [-1])
        more = tf.cast(max_new_tokens, tf.int32)
        lengths = tf.cast(prompts.row_lengths(), tf.int32)
        read = tf.cast(prompts.to_tensor(), tf.int32)
        texts, longest = tf.unstack(tf.shape(read), num=2)
        cache = self._decoder.empty_cache(texts, longest + more)
        start = _Running(
            place=tf.reduce_min(lengths),
            token_ids=tf.pad(read, [[0, 0], [0, more]]),
            cache=self._decoder.read(read, cache),
            ends=lengths,
            open=tf.fill([texts], more > 0),
        )

        def step(*carried: Any) -> _Running:
            now = _Running(*carried)
            before = now.token_ids[:, now.place - 1]
            logits, cache = self._decoder.step(before, now.cache, now.place - 1)
            chosen = choose_tokens(logits, sampling, now.place)
            prompted = now.place < lengths
            tokens = tf.where(prompted, now.token_ids[:, now.place], chosen)
            ids = update_places(now.token_ids, tokens[:, tf.newaxis], [0, now.place])
            told = now.open & ~prompted & ~self._is_end(tokens)
            ends = tf.where(told, now.place + 1, now.ends)
            stopped = self._has_stop(ids, lengths, ends, stops)
            last = now.place + 1 >= lengths + more
            still = now.open & (prompted | (told & ~last & ~stopped))
            return _Running(now.place + 1, ids, cache, ends, still)

        done = _Running(
            *tf.while_loop(
                lambda *carried: tf.reduce_any(_Running(*carried).open),
                step,
                start,
                shape_invariants=_any_sizes(start),
                parallel_iterations=1,
            )
        )
        ids = _told(done.token_ids, lengths, done.ends)
        return Generated(before_stops(self._text(ids), stops), ids)

    def adapted(
        self,
        functional: FunctionalModel,
        fast: list[tf.Tensor],
        constants: list[tf.Tensor],
        prompts: tf.RaggedTensor,
        sampling: Sampling = GREEDY,
        **options: Any,
    ) -> Generated:
        """As a call, under the fast weights of one task.

        Args:
            functional: of the model that this generator was made of.
            fast: values of its fast variables, without a task axis.
            constants: see `FunctionalModel.constants`.
            prompts, sampling, **options: as of a call.

        Returns:
            Texts and ids.
        """
        return functional.run(
            lambda given, training: self(given, sampling, **options),
            fast,
            constants,
            prompts,
        ).outputs

    def _is_end(self, tokens: tf.Tensor) -> tf.Tensor:
        """Which tokens [texts] end a text: control, or none that has a spelling."""
        ends = tf.reduce_any(tokens[:, tf.newaxis] == tf.constant(self._end_ids), -1)
        return ends | (tokens >= self._tokenizer.vocabulary_size())

    def _has_stop(
        self, ids: tf.Tensor, lengths: tf.Tensor, ends: tf.Tensor, stops: tf.Tensor
    ) -> tf.Tensor:
        """Whether a stop string is in what was told so far, for each text."""

        def look() -> tf.Tensor:
            texts = self._text(_told(ids, lengths, ends))
            return before_stops(texts, stops) != texts

        none = tf.zeros_like(lengths, tf.bool)
        return tf.reshape(tf.cond(tf.size(stops) > 0, look, lambda: none), [-1])

    def _text(self, ids: tf.RaggedTensor) -> tf.Tensor:
        """The texts of ids; a character that is not complete is left out."""
        texts = tf.reshape(self._tokenizer.detokenize(ids), [-1])
        return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="ignore")


def _any_sizes(start: _Running) -> _Running:
    """The shapes of what the loop carries, as far as they are the same in each run."""
    texts, cache = tf.TensorShape([None]), start.cache.shape.as_list()
    return _Running(
        place=tf.TensorShape([]),
        token_ids=tf.TensorShape([None, None]),
        cache=tf.TensorShape([None, *cache[1:3], None, *cache[4:]]),
        ends=texts,
        open=texts,
    )


def _told(ids: tf.Tensor, lengths: tf.Tensor, ends: tf.Tensor) -> tf.RaggedTensor:
    """What of ids [texts, length] comes after the prompts and before the ends."""
    places = tf.range(tf.shape(ids)[1])
    inside = (places >= lengths[:, tf.newaxis]) & (places < ends[:, tf.newaxis])
    return tf.ragged.boolean_mask(ids, inside)
