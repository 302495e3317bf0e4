"""ProtoMAML: MAML whose head starts from the prototypes of the support set."""

from typing import Any

import keras
import tensorflow as tf

from maml_tf.base_learners import BaseLearnerError
from maml_tf.base_learners.head import head_of
from maml_tf.inner_loop.loop import call_model
from maml_tf.learners.maml import MAML
from maml_tf.learners.prototypical import ABSENT, class_means
from maml_tf.learners.recorded_inputs import recorded_inputs

REGISTERED = {
    "proto_maml": {
        "class_name": "ProtoMAML",
        "summary": "the head starts from prototypes; any number of ways up to its "
        "width",
        "paper": "arXiv 1903.03096",
        "refuses": {"fast_weights": ("lora",)},
    },
}


@keras.saving.register_keras_serializable(package="maml_tf")
class ProtoMAML(MAML):
    """ProtoMAML (Triantafillou et al. 2020, arXiv 1903.03096).

    Before the first inner step, the head's weights for a class with the prototype `c`
    are `2 c` and its bias is `-|c|^2`, which classifies as a prototypical network with
    squared Euclidean distances does. The steps go on from there, and the meta-gradient
    flows through the prototypes. The head's own weights are not used, so tasks may have
    any number of ways up to its width; classes that are absent get a logit near -1e9.

    Args:
        base_learner: a Keras model that ends in a dense head of logits with a bias.
        **kwargs: those of `MAML`; the head has to be among the fast weights.

    Raises:
        BaseLearnerError: where the base learner has no such head.

    Example:

    >>> base = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="body"),
    ...                          keras.layers.Dense(10, name="head")])
    >>> x = {"support_inputs": tf.ones((1, 4, 2)),
    ...      "support_targets": tf.constant([[0, 1, 2, 2]]),
    ...      "query_inputs": tf.ones((1, 5, 2))}
    >>> ProtoMAML(base, inner_steps=0)(x).shape
    TensorShape([1, 5, 10])
    """

    def prepare(self) -> None:
        head = head_of(self.base_learner)
        if not isinstance(head, keras.layers.Dense) or head.bias is None:
            raise BaseLearnerError(
                "ProtoMAML needs a base learner that ends in a Dense head with a bias, "
                f"not in {head.name!r}."
            )
        self._head = head
        super().prepare()

    def choose_fast_variables(self) -> list[keras.Variable]:
        fast = super().choose_fast_variables()
        own = [self._head._kernel, self._head.bias]
        if not {id(v) for v in own} <= {id(v) for v in fast}:
            raise BaseLearnerError(
                "ProtoMAML's head has to be among the fast weights; its paths are "
                f"{[v.path for v in own]}."
            )
        return fast

    def initial_weights(
        self, support_inputs: Any, support_targets: tf.Tensor, training: bool = False
    ) -> tuple[list[tf.Tensor], bool]:
        loop = self.inner_loop
        fast, constants = loop.initial(), loop.constants()
        kernel, bias = (
            next(i for i, v in enumerate(loop.fast_variables) if v is own)
            for own in (self._head._kernel, self._head.bias)
        )
        width = self._head.bias.shape[0]

        def task(element: dict[str, Any]) -> list[tf.Tensor]:
            ran = loop.functional.run(
                self._features, fast, constants, element["inputs"], training=training
            )
            features = tf.cast(ran.outputs, fast[kernel].dtype)
            means, counts = class_means(features, element["targets"], width)
            start = [tf.identity(weight) for weight in fast]
            # The head's own weights have a gradient, of zero, for the optimizer.
            start[kernel] = 2 * tf.transpose(means) + 0 * fast[kernel]
            squares = -tf.reduce_sum(tf.square(means), axis=-1)
            absent = tf.constant(ABSENT, squares.dtype)
            start[bias] = tf.where(counts > 0, squares, absent) + 0 * fast[bias]
            return start

        elements = {"inputs": support_inputs, "targets": support_targets}
        return loop.functional.map(("start", training), task, elements), True

    def _features(self, inputs: Any, training: bool) -> tf.Tensor:
        """What the head is given, `[examples, dim]`, in any kind of model."""
        with recorded_inputs(self._head) as seen:
            call_model(self.base_learner, inputs, training)
        if len(seen) != 1 or seen[0].shape.rank != 2:
            raise BaseLearnerError(
                "ProtoMAML needs a base learner whose head is called once, on vectors "
                f"[examples, dim]; {self._head.name!r} was given "
                f"{[tuple(t.shape) for t in seen]}."
            )
        return seen[0]
