"""The flags of the default learner: its encoder, and texts to centre the vectors on."""

from typing import TYPE_CHECKING

import numpy as np
from absl import app, flags

from maml_tf.episodes import read_corpus

from . import encoder_flags  # noqa: F401

if TYPE_CHECKING:
    from maml_tf import MetaLearner
    from maml_tf.evaluation import Calibration

flags.DEFINE_string(
    "centre_corpus",
    None,
    "Texts whose mean vector is subtracted from every vector, in the language of the "
    "bots to come, home_assistant_intents:da say; their labels do not count. For "
    "encoders without meta-training.",
)

FLAGS = flags.FLAGS
# A mean over these is as good as over all of a large corpus, and is there at once.
MOST_TEXTS = 2000
NAMES = ("base_learner", "pretrained", "text_prefix", "centre_corpus")


def refuse_flags_beside_a_run() -> None:
    """Refuses flags of the default learner where the learner is a run's.

    Raises:
        UsageError: naming the first of them.
    """
    given = [name for name in NAMES if FLAGS[name].present]
    if given:
        raise app.UsageError(
            f"--{given[0]} has no meaning beside --model_dir, whose run has an encoder "
            "of its own; leave one of them out."
        )


def centre_texts() -> tuple[str, ...] | None:
    """The texts that --centre_corpus names, `MOST_TEXTS` of them at most.

    Raises:
        CorpusError: if there is no such corpus.
    """
    if FLAGS.centre_corpus is None:
        return None
    texts = read_corpus(FLAGS.centre_corpus).texts
    count = min(len(texts), MOST_TEXTS)
    places = np.linspace(0, len(texts) - 1, count).astype(int)
    return tuple(texts[place] for place in places)


def default_learner_of_flags() -> "MetaLearner":
    """The default learner as the flags describe it; this loads TensorFlow."""
    from maml_tf.default_learner import default_learner

    return default_learner(
        FLAGS.base_learner,
        pretrained=FLAGS.pretrained,
        text_prefix=FLAGS.text_prefix,
        centre_texts=centre_texts(),
    )


def default_calibration_of_flags() -> "Calibration | None":
    """The default learner's calibration, where it is of the vectors of the flags."""
    from maml_tf.default_learner import default_calibration

    if FLAGS.text_prefix or FLAGS.centre_corpus is not None:
        return None
    return default_calibration(FLAGS.base_learner, FLAGS.pretrained)
