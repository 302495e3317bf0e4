"""The learner that this package recommends, in the one place that says which it is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maml_tf.evaluation.calibration import Calibration
    from maml_tf.learners import MetaLearner


def default_learner(
    preset: str | None = None,
    *,
    pretrained: str | None = None,
    text_prefix: str = "",
    centre_texts: Sequence[str] | None = None,
) -> "MetaLearner":
    """The nearest prototype under the default text encoder, ready to learn any bot.

    It tells any number of intents apart, and learning one is a pass of the encoder over
    its examples. `maml-tf export` writes it, and `Bot` learns with it, where nobody
    says otherwise.

    Args:
        preset: another encoder; see `create_text_encoder`.
        pretrained: "base" for one without meta-training; see there too.
        text_prefix: what the encoder reads before every text; see there too.
        centre_texts: sentences in the language of the bots to come, of no bot in
            particular, whose mean vector is then subtracted from every vector; for
            encoders without meta-training, of which it makes more (docs/intents.md).
            The centre is kept in saved models and exports.

    Raises:
        BaseLearnerError: if there is no such encoder.

    Example:

    >>> learner = default_learner("scratch:num_layers=1,hidden_dim=8")
    >>> type(learner).__name__, learner.built, learner.number_of_classes()
    ('PrototypicalNetwork', True, None)
    """
    import numpy as np

    from maml_tf.base_learners import create_text_encoder
    from maml_tf.learners import PrototypicalNetwork

    encoder: Any = create_text_encoder(
        preset, pretrained=pretrained, normalize=True, text_prefix=text_prefix
    )
    if centre_texts is not None:
        encoder = _centred(encoder, centre_texts)
    # The direction of a mean, not its length, which is the shorter the more examples it
    # is of: intents with few examples would lose to those with many.
    learner = PrototypicalNetwork(encoder, distance="cosine", scale=10.0)
    tokens = {
        name: np.asarray(values)[np.newaxis]
        for name, values in encoder.preprocessor(["a", "b"]).items()
    }
    learner.build_from_episode(
        {
            "support_inputs": tokens,
            "support_targets": np.array([[0, 1]]),
            "query_inputs": tokens,
        }
    )
    return learner


def default_calibration(
    preset: str | None = None, pretrained: str | None = None
) -> "Calibration | None":
    """What the default learner's probabilities and "I do not know" go by.

    Args:
        preset, pretrained: see `default_learner`.

    Returns:
        The calibration on the card of the delta that the encoder starts from, fitted on
        vectors of that encoder; None where there is none.

    Raises:
        BaseLearnerError: if `pretrained` is a file that is no delta.

    Example:

    >>> default_calibration(pretrained="base") is None
    True
    """
    from maml_tf.evaluation.calibration import Calibration
    from maml_tf.evaluation.seen import delta_of

    delta = delta_of(preset, pretrained)
    held = delta and delta.card.get("calibration")
    return Calibration.from_json(held) if held else None


def _centred(encoder: Any, texts: Sequence[str]) -> Any:
    from maml_tf.base_learners.projected_encoder import ProjectedEncoder
    from maml_tf.evaluation.features import Embedder

    projected = ProjectedEncoder(encoder)
    projected.projection.centre_on(Embedder(encoder).embed_texts(list(texts)))
    return projected
