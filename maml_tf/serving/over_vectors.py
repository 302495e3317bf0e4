"""Learning and answering from vectors that a client keeps: no text is read twice.

A bot that is taught one more sentence has to learn from all of them, and reading them
is what takes time. Where adapting leaves the encoder alone, its vectors are all that is
learned from, and whoever keeps them has each sentence read once.
"""

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from maml_tf.serving.request_checks import Faults
from maml_tf.serving.task_axis import Tensors, of_rank

if TYPE_CHECKING:
    from maml_tf.serving.signatures import ServedLearner


class ServedVectors:
    """The served functions on vectors of `embed`, for a learner over features.

    `examples` says of which texts the vectors are wanted, in which order;
    `adapt_vectors` learns from them what `adapt` learns from the texts, and
    `predict_vectors` answers as `predict` does.

    Args:
        served: the functions on texts, whose checks and traced parts are shared.
        dim: the length of a vector.

    Example:

    >>> from maml_tf import PrototypicalNetwork, create_text_encoder
    >>> from maml_tf.serving.signatures import ServedLearner
    >>> encoder = create_text_encoder(num_layers=1, hidden_dim=8)
    >>> served = ServedLearner(PrototypicalNetwork(encoder))
    >>> support = tf.constant(["on", "off"]), tf.constant(["yes", "no"])
    >>> wanted = served.function("examples")(*support)["texts"]
    >>> vectors = served.embed(wanted)["vectors"]
    >>> learned = served.function("adapt_vectors")(vectors, *support)
    >>> bool(tf.reduce_all(learned["state"] == served.adapt(*support)["state"]))
    True
    """

    def __init__(self, served: "ServedLearner", dim: int) -> None:
        self.served, self.dim = served, dim

    def examples(self, support_texts: Any, support_labels: Any) -> Tensors:
        """What `adapt` would read of a support set, in the order it would read it.

        Returns:
            `texts` `[more]`, names of classes among them where those are examples;
            `numbers` `[more]`, the class of each, an index into `class_names`, or
            beyond them for a negative example; and the model's `fingerprint` `[3]`,
            under which vectors may be kept.
        """
        texts, labels = of_rank(1, support_texts, support_labels)
        faults = Faults()
        self.served.check_support(faults, texts, labels)
        texts, labels = faults.guard((texts, labels))
        texts, numbers, names = self.served.ordered_examples(texts, labels)
        mark = tf.constant(self.served.layout.fingerprint, tf.int32)
        return {
            "texts": texts,
            "numbers": numbers,
            "class_names": names,
            "fingerprint": tf.identity(mark),
        }

    def adapt_vectors(
        self, example_vectors: Any, support_texts: Any, support_labels: Any
    ) -> Tensors:
        """The state of `adapt`, from vectors `[more, dim]` of what `examples` named."""
        vectors = tf.ensure_shape(example_vectors, [None, None])
        texts, labels = of_rank(1, support_texts, support_labels)
        faults = Faults()
        self.served.check_support(faults, texts, labels)
        self._check(faults, vectors, "example_vectors")
        texts, labels, vectors = faults.guard((texts, labels, vectors))
        texts, numbers, names = self.served.ordered_examples(texts, labels)
        as_many = Faults()
        as_many.add(
            tf.shape(vectors)[0] != tf.size(texts),
            "example_vectors must hold one vector for each text of the signature "
            "examples, ",
            tf.size(texts),
            ", but has ",
            tf.shape(vectors)[0],
            ".",
        )
        vectors = tf.ensure_shape(as_many.guard(vectors), [None, self.dim])
        prefix = tf.constant("")
        state = self.served.state_of(vectors, numbers, names, prefix)
        return {"state": state, "class_names": names}

    def predict_vectors(
        self, state: Any, class_names: Any, query_vectors: Any
    ) -> Tensors:
        """The answers of `predict`, from vectors `[queries, dim]` of the queries."""
        state, names = of_rank(1, state, class_names)
        vectors = tf.ensure_shape(query_vectors, [None, None])
        faults = Faults()
        self.served.layout.check(faults, state, names)
        queries, most = tf.shape(vectors)[0], self.served.limits.queries
        faults.add(tf.equal(queries, 0), "query_vectors holds no vector.")
        faults.add(
            queries > most,
            "query_vectors has ",
            queries,
            f" entries; at most {most} are answered at once.",
        )
        self._check(faults, vectors, "query_vectors")
        state, names, vectors = faults.guard((state, names, vectors))
        vectors = tf.ensure_shape(vectors, [None, self.dim])
        return self.served.answers_of(state, names, vectors)

    def _check(self, faults: Faults, vectors: tf.Tensor, name: str) -> None:
        faults.add(
            tf.shape(vectors)[1] != self.dim,
            f"{name} must be {self.dim} numbers long, as those of embed are, not ",
            tf.shape(vectors)[1],
            ".",
        )
        faults.add(
            ~tf.reduce_all(tf.math.is_finite(vectors)), f"{name} holds NaN or infinity."
        )
