"""The limits of whatever a client asks, as far as it can tell."""

import json
from typing import Any

from maml_tf.serving.limits import Limits


def limits_of(client: Any) -> Limits:
    """The limits of the model behind a client; the usual ones where they are not known.

    Example:

    >>> limits_of(None).examples
    1000
    """
    transport = getattr(client, "transport", None)
    served = getattr(transport, "served", None)
    if served is not None:  # a learner of this process
        return served.limits
    version: Any = getattr(transport, "version", None)
    try:
        card = json.loads((version / "model_card.json").read_text(encoding="utf-8"))
        return Limits(**card["limits"])
    except (AttributeError, KeyError, OSError, TypeError, ValueError):
        return Limits()
