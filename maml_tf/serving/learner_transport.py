"""A learner of this process behind a `Client`: what an export does, not exported."""

import inspect
from typing import TYPE_CHECKING

import tensorflow as tf

from maml_tf.evaluation.calibration import Calibration
from maml_tf.learners import MAML, MetaLearner
from maml_tf.serving.language_model import ServedLanguageModel
from maml_tf.serving.results import RequestError, error_from, not_offered
from maml_tf.serving.signatures import ServedLearner
from maml_tf.serving.transports import code_name

if TYPE_CHECKING:
    from maml_tf.serving.request_checks import Limits
    from maml_tf.serving.transports import Arrays


class LearnerTransport:
    """Runs the functions of an export on a learner that is not exported.

    Args:
        learner: a built learner over texts, or over a language model.
        limits, calibration, class_names: see `ServedLearner`; the last two are for
            intents alone.
        max_tokens: see `ServedLanguageModel`; for language models alone.

    Example:

    >>> import numpy as np
    >>> from maml_tf.default_learner import default_learner
    >>> learner = default_learner("scratch:num_layers=1,hidden_dim=8")
    >>> transport = LearnerTransport(learner)
    >>> transport.call("embed", {"texts": np.array([b"hello"])}, 1.0)["vectors"].shape
    (1, 8)
    """

    def __init__(
        self,
        learner: MetaLearner,
        *,
        limits: "Limits | None" = None,
        calibration: Calibration | None = None,
        class_names: bool = False,
        max_tokens: int = 1024,
    ) -> None:
        self.served: ServedLearner | ServedLanguageModel
        if isinstance(learner, MAML) and hasattr(learner.base_learner, "chat_template"):
            self.served = ServedLanguageModel(learner, limits, max_tokens)
        else:
            self.served = ServedLearner(
                learner,
                limits=limits,
                calibration=calibration,
                class_names=class_names,
            )

    def call(self, signature: str, inputs: "Arrays", timeout: float) -> "Arrays":
        """The outputs of a signature; see `Transport`."""
        function = self.served.function(signature)
        if function is None:
            raise not_offered(signature)
        wanted = inspect.signature(function).parameters
        if set(inputs) != set(wanted):
            raise RequestError(f"The signature's inputs are {', '.join(wanted)}.")
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        try:
            outputs = function(**tensors)
        except tf.errors.OpError as error:
            raise error_from(code_name(error), error.message) from error
        return {name: value.numpy() for name, value in outputs.items()}

    def close(self) -> None:
        """Nothing is held open."""
