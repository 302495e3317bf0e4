"""What an export can be asked: classify, adapt, predict, embed, on raw strings.

Where adapting leaves the encoder alone it can be asked on vectors too; see
`over_vectors`. All model code sits in a few functions, each traced once: reading
texts, learning and answering. The signatures around them differ only in what goes in
and comes out.
"""

from functools import partial
from typing import Any

import tensorflow as tf

from maml_tf.base_learners.contracts import TextBaseLearner
from maml_tf.evaluation.calibration import Calibration
from maml_tf.evaluation.scope_rule import ScopeRule, support_features
from maml_tf.learners import MetaLearner
from maml_tf.serving.class_names import with_names
from maml_tf.serving.negatives import NEGATIVE
from maml_tf.serving.over_vectors import ServedVectors
from maml_tf.serving.request_checks import (
    Faults,
    Limits,
    check_queries,
    check_support,
)
from maml_tf.serving.state import (
    NOT_WHOLE,
    StateLayout,
    fingerprint,
    finite_state,
)
from maml_tf.serving.support_order import order_of_examples, sorted_classes
from maml_tf.serving.task_axis import (
    Tensors,
    as_many_tasks,
    of_rank,
    over_rows,
    padded,
    prefix_of,
    traced,
    until_empty,
)
from maml_tf.text_lengths import crop_to_longest, encode_by_length

# Half-way between chance and certainty.
DEFAULT_SCOPE_THRESHOLD = 0.5
# Beside the fast weights: the threshold, and how many examples were negative.
SCOPE = "maml_tf_scope"


class ServedLearner:
    """The served functions of a learner over texts; each returns a dict of tensors.

    With a calibration, probabilities are calibrated and a query is in scope when its
    largest logit reaches the calibrated threshold. Without, or where a threshold is
    given, it is in scope when its largest probability lies far enough above chance:
    with N classes and largest probability p, `(N * p - 1) / (N - 1)` must reach it.
    By how much is its margin.

    An example labelled `NEGATIVE` is for none of the intents. To the learner it is a
    class of its own; a query that comes nearer to it than to any intent is not in
    scope, and the probabilities of the intents then add up to less than 1.

    Args:
        learner: a built learner whose base learner has a `preprocessor`.
        limits: the largest request that is worked on.
        scope_threshold: between 0, all is in scope, and 1, only certainty is. None
            goes by the calibration, or by 0.5 where there is none.
        calibration: fitted on validation tasks; see `calibrate_learner`.
        class_names: whether the name of a class, where it reads like words, is one
            more example of it; see `with_names`.

    Example:

    >>> from maml_tf import PrototypicalNetwork, create_text_encoder
    >>> encoder = create_text_encoder(num_layers=1, hidden_dim=8)
    >>> served = ServedLearner(PrototypicalNetwork(encoder))
    >>> answer = served.classify(tf.constant(["on", "off", "off now"]),
    ...                          tf.constant(["yes", "no", "no"]), tf.constant(["on"]))
    >>> answer["probabilities"].shape
    TensorShape([1, 2])
    """

    def __init__(
        self,
        learner: MetaLearner,
        limits: Limits | None = None,
        scope_threshold: float | None = None,
        calibration: Calibration | None = None,
        class_names: bool = False,
    ) -> None:
        self.learner = learner
        self.class_names = class_names
        self.limits = limits or Limits()
        if scope_threshold is None and calibration is None:
            scope_threshold = DEFAULT_SCOPE_THRESHOLD
        self.scope_threshold = scope_threshold
        self.calibration = calibration
        texts, prefix = tf.TensorSpec([None], tf.string), tf.TensorSpec([], tf.string)
        # Where adapting leaves the encoder alone, texts are read as its vectors, and
        # what learns and answers is small; else they are read as tokens.
        encoder, self._learner = learner.over_features() or (None, learner)
        shown = _encoder_in(learner.base_learner)
        # Concrete functions: a tf.function would trace the model again wherever it is
        # first called.
        self._embed = traced(partial(self._vectors, shown), texts)
        if encoder is None:
            self._read = traced(self._tokens, texts)
        elif encoder is shown:
            self._read = self._embed
        else:
            self._read = traced(partial(self._vectors, encoder), texts)
        read = tf.nest.map_structure(_spec_of, self._read.structured_outputs)
        # Adapting tells what a state is made of.
        numbers, count = (tf.TensorSpec(shape, tf.int32) for shape in ([None], []))
        self._adapt = traced(self._fast_weights, read, numbers, count)
        self.layout = StateLayout(self._adapt.structured_outputs, fingerprint(learner))
        self._learn = traced(self._learn_from, texts, texts, prefix)
        state = tf.TensorSpec([None], tf.float32)
        self._answer = traced(self._answer_queries, state, texts, texts, prefix)
        self._classify = traced(self._classify_task, texts, texts, texts, prefix)
        # Vectors that embed gives are learned from only where they are those.
        shared = encoder is not None and encoder is shown
        self._over_vectors = ServedVectors(self, read.shape[-1]) if shared else None

    def function(self, signature: str) -> Any:
        """The function of a signature, or None where this learner has no such one."""
        own = getattr(self, signature, None)
        return own or getattr(self._over_vectors, signature, None)

    def classify(
        self, support_texts: Any, support_labels: Any, query_texts: Any
    ) -> Tensors:
        """Answers from a bot that the request itself defines."""
        # Rank first: a scalar would crash a server inside the tokenizer's operation.
        texts, labels, queries = of_rank(1, support_texts, support_labels, query_texts)
        return self._classify(texts, labels, queries, tf.constant(""))

    def adapt(self, support_texts: Any, support_labels: Any) -> Tensors:
        """The state that a support set teaches, and its class names."""
        texts, labels = of_rank(1, support_texts, support_labels)
        state, names = self._learn(texts, labels, tf.constant(""))
        return {"state": state, "class_names": names}

    def predict(self, state: Any, class_names: Any, query_texts: Any) -> Tensors:
        """Answers from a state that `adapt` returned."""
        state, names, texts = of_rank(1, state, class_names, query_texts)
        return self._answer(state, names, texts, tf.constant(""))

    def embed(self, texts: Any) -> Tensors:
        """The encoder's vectors `[texts, dim]`."""
        (texts,) = of_rank(1, texts)
        faults = Faults()
        check_queries(faults, texts, self.limits, "texts")
        return {"vectors": self._embed(faults.guard(texts))}

    def classify_tasks(
        self, support_texts: Any, support_labels: Any, query_texts: Any
    ) -> Tensors:
        """As `classify` for every row; a row of strings ends at its first empty one."""
        support, labels, queries = of_rank(
            2, support_texts, support_labels, query_texts
        )
        support, labels, queries = as_many_tasks(
            self.limits.tasks, support, labels, queries
        )

        def task(row: Any) -> Any:
            place, texts, names, asked = row
            texts, names, asked = map(until_empty, (texts, names, asked))
            answer = self._classify(texts, names, asked, prefix_of(place))
            return padded(answer, tf.shape(queries)[1], tf.shape(labels)[1])

        return over_rows(task, (support, labels, queries))

    def adapt_tasks(self, support_texts: Any, support_labels: Any) -> Tensors:
        """As `adapt` for every row; shorter states and name lists are padded."""
        support, labels = as_many_tasks(
            self.limits.tasks, *of_rank(2, support_texts, support_labels)
        )

        def task(row: Any) -> Any:
            place, texts, names = row
            return self._learn(until_empty(texts), until_empty(names), prefix_of(place))

        states, names = tf.map_fn(
            task,
            (tf.range(tf.shape(support)[0]), support, labels),
            fn_output_signature=(
                tf.RaggedTensorSpec([None], tf.float32),
                tf.RaggedTensorSpec([None], tf.string),
            ),
            parallel_iterations=1,
        )
        return {"state": states.to_tensor(), "class_names": names.to_tensor("")}

    def predict_tasks(self, state: Any, class_names: Any, query_texts: Any) -> Tensors:
        """As `predict` for every row of states, class names and query texts."""
        states, names, queries = as_many_tasks(
            self.limits.tasks, *of_rank(2, state, class_names, query_texts)
        )

        def task(row: Any) -> Any:
            place, one, called, asked = row
            one, called = self.layout.cut(one, called)
            answer = self._answer(one, called, until_empty(asked), prefix_of(place))
            return padded(answer, tf.shape(queries)[1], tf.shape(names)[1])

        return over_rows(task, (states, names, queries))

    def _classify_task(
        self, texts: tf.Tensor, labels: tf.Tensor, queries: tf.Tensor, prefix: Any
    ) -> Tensors:
        # All of a request is checked before any of it is learned from.
        faults = Faults(prefix)
        self.check_support(faults, texts, labels)
        check_queries(faults, queries, self.limits)
        texts, labels, queries = faults.guard((texts, labels, queries))
        texts, numbers, names = self.ordered_examples(texts, labels)
        if self._learner is self.learner:
            taught, asked = self._read(texts), self._read(queries)
        else:  # one run of the encoder over all
            vectors = self._read(tf.concat([texts, queries], 0))
            taught, asked = vectors[: tf.size(texts)], vectors[tf.size(texts) :]
        state = self.state_of(taught, numbers, names, prefix)
        return self.answers_of(state, names, asked)

    def check_support(self, faults: Faults, texts: Any, labels: Any) -> None:
        """Notes what makes texts and labels `[examples]` unlearnable."""
        most = self.learner.number_of_classes()
        check_support(faults, texts, labels, self.limits, most)

    def _learn_from(
        self, texts: tf.Tensor, labels: tf.Tensor, prefix: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        faults = Faults(prefix)
        self.check_support(faults, texts, labels)
        texts, labels = faults.guard((texts, labels))
        texts, numbers, names = self.ordered_examples(texts, labels)
        return self.state_of(self._read(texts), numbers, names, prefix), names

    def ordered_examples(
        self, texts: tf.Tensor, labels: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Texts to learn from, the class of each, and the names of the classes.

        Beyond the classes with a name is one for each negative example.
        """
        order = order_of_examples(texts, labels)
        texts, labels = tf.gather(texts, order), tf.gather(labels, order)
        outside = tf.equal(labels, NEGATIVE)
        others = tf.boolean_mask(texts, outside)
        texts = tf.boolean_mask(texts, ~outside)
        names, numbers = sorted_classes(tf.boolean_mask(labels, ~outside))
        if self.class_names:
            texts, numbers = with_names(texts, numbers, names)
        beyond = tf.size(names) + tf.range(tf.size(others))
        texts, numbers = tf.concat([texts, others], 0), tf.concat([numbers, beyond], 0)
        return texts, numbers, names

    def state_of(
        self, read: Any, numbers: tf.Tensor, names: tf.Tensor, prefix: tf.Tensor
    ) -> tf.Tensor:
        """The state of what was read of examples, and the class of each `[more]`."""
        state = self.layout.pack(self._adapt(read, numbers, tf.size(names)), names)
        return finite_state(state, "examples", prefix)

    def _fast_weights(
        self, read: Any, numbers: tf.Tensor, intents: tf.Tensor
    ) -> Tensors:
        read = _one_task(read)
        fast = dict(self._learner.adapt(read, numbers[tf.newaxis]))
        threshold = self.calibration.threshold if self.calibration else 0.0
        if isinstance(threshold, ScopeRule):
            logits = tf.cast(self._learner.predict_adapted(fast, read)[0], tf.float32)
            known = numbers < intents
            features = support_features(
                tf.boolean_mask(logits[:, :intents], known),
                tf.boolean_mask(numbers, known),
            )
            threshold = threshold.threshold(features)
        others = tf.reduce_max(numbers) + 1 - intents
        scope = tf.stack([threshold, tf.cast(others, tf.float32)])
        return {**fast, SCOPE: scope[tf.newaxis]}

    def _answer_queries(
        self, state: tf.Tensor, names: tf.Tensor, texts: tf.Tensor, prefix: tf.Tensor
    ) -> Tensors:
        faults = Faults(prefix)
        self.layout.check(faults, state, names)
        check_queries(faults, texts, self.limits)
        state, names, texts = faults.guard((state, names, texts))
        return self.answers_of(state, names, self._read(texts))

    def answers_of(self, state: tf.Tensor, names: tf.Tensor, read: Any) -> Tensors:
        """Answers from a state that was checked, to what was read of queries."""
        fast = self.layout.unpack(state)
        threshold, others = tf.unstack(fast.pop(SCOPE)[0])
        logits = self._learner.predict_adapted(fast, _one_task(read))[0]
        logits, intents = tf.cast(logits, tf.float32), tf.size(names)
        most = tf.cast(tf.shape(logits)[1] - intents, tf.float32)
        altered = Faults()
        altered.add(
            (others < 0) | (others > most) | (others != tf.round(others)), NOT_WHOLE
        )
        altered.add(
            ~tf.reduce_all(tf.math.is_finite(logits)),
            "With this state the answers are NaN or infinite; call adapt again.",
        )
        logits, others = altered.guard((logits, others))
        logits = logits[:, : intents + tf.cast(others, tf.int32)]
        temperature = self.calibration.temperature if self.calibration else 1.0
        probabilities = tf.nn.softmax(logits / temperature)
        logits, beyond = logits[:, :intents], logits[:, intents:]
        nearest = tf.reduce_max(logits, -1)
        if self.scope_threshold is None:
            margins = nearest - threshold
        else:
            margins = _above_chance(probabilities, intents) - self.scope_threshold
        # The largest of no logits is minus infinity, which no query is behind.
        margins = tf.minimum(margins, nearest - tf.reduce_max(beyond, -1))
        return {
            "intents": tf.gather(names, tf.argmax(logits, axis=-1)),
            "probabilities": probabilities[:, :intents],
            "in_scope": margins >= 0,
            "margins": margins,
            "class_names": names,
        }

    def _vectors(self, encode: Any, texts: tf.Tensor) -> tf.Tensor:
        """Vectors `[texts, dim]`, texts of like length together."""
        tokens = self.learner.base_learner.preprocessor(texts)
        return encode_by_length(
            lambda batch: tf.cast(encode(batch, training=False), tf.float32), tokens
        )

    def _tokens(self, texts: tf.Tensor) -> Tensors:
        """Token tensors no longer than the longest of the texts needs."""
        return crop_to_longest(self.learner.base_learner.preprocessor(texts))


def _encoder_in(base: Any) -> Any:
    """What makes the vectors that a base learner's answers rest on."""
    if isinstance(base, TextBaseLearner):
        return base.encoder
    return getattr(base, "encode", base)


def _one_task(read: Any) -> Any:
    return tf.nest.map_structure(lambda part: part[tf.newaxis], read)


def _spec_of(tensor: Any) -> tf.TensorSpec:
    return tf.TensorSpec(tensor.shape, tensor.dtype)


def _above_chance(probabilities: tf.Tensor, intents: tf.Tensor) -> tf.Tensor:
    """How far `[queries]` the likeliest intent is from chance, 0, to certainty, 1."""
    classes = tf.cast(tf.shape(probabilities)[-1], tf.float32)
    likeliest = tf.reduce_max(probabilities[:, :intents], -1)
    return (classes * likeliest - 1) / (classes - 1)
