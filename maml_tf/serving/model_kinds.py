"""The two kinds of exports, and what who asks one for what the other does is told."""

import re
from typing import Any

from maml_tf.serving.results import RequestError

LANGUAGE_MODEL = "generate"
# What every model of intents offers.
OF_INTENTS = ("classify", "adapt", "predict", "embed")
# How servers, this package's and TF Serving, say that a signature or an input of it is
# not the model's.
_NOT_ITS_OWN = re.compile(
    "no signature|signature's inputs are|[Ss]ignature key|"
    "does not match signature|inputs to be a subset"
)


def refused_by_kind(error: RequestError, signature: str, inputs: Any) -> RequestError:
    """The error, or a clearer one where the model is of the other kind.

    Args:
        error: what the service said.
        signature: what was asked.
        inputs: names of the inputs that were sent.

    Example:

    >>> said = RequestError("There is no signature 'generate'; there are classify.")
    >>> refused_by_kind(said, "generate", ["turns"])
    RequestError('This model learns intents from labelled sentences and answers adapt, \
classify, predict and embed; generate needs an export of a language model.')
    """
    if not _NOT_ITS_OWN.search(str(error)):
        return error
    asked = signature.removesuffix("_tasks")
    if asked in (LANGUAGE_MODEL, "score") or "dialogues" in inputs:
        return RequestError(
            "This model learns intents from labelled sentences and answers adapt, "
            f"classify, predict and embed; {_called(asked, inputs)} needs an export "
            "of a language model."
        )
    if asked not in OF_INTENTS:
        return error
    return RequestError(
        "This is a language model, which learns from dialogues and answers "
        f"adapt_dialogues, generate and score; {asked} needs an export of a model of "
        "intents."
    )


def _called(signature: str, inputs: Any) -> str:
    return "adapt_dialogues" if "dialogues" in inputs else signature
