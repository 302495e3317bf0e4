"""Vectors of texts, kept for the very texts and weights that they were made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maml_tf.base_learners.split_encoder import (
    TokenStates,
    UpperEncoder,
    embed_states,
    lower_states,
)
from training.common.digests import arrays_digest, encoder_digest
from training.common.run import Run

TOKENISED_AT_ONCE = 1024


@dataclass(frozen=True)
class Cut:
    """All that is chosen of states and vectors; what else they depend on is content.

    Attributes:
        first_layer: the first transformer layer above the cut.
    """

    first_layer: int


@dataclass(frozen=True)
class KeptStates:
    """What lower layers made of texts.

    Attributes:
        states: of every token.
        digest: of the tokens, the encoder and the cut that they come from.
    """

    states: TokenStates
    digest: str


def kept_states(
    texts: Sequence[str], upper: UpperEncoder, work_dir: Path, name: str
) -> KeptStates:
    """Runs the layers below the cut, unless they have been run on these texts.

    Args:
        texts: to be tokenised by the encoder's own preprocessor.
        upper: the encoder, cut, with the weights it is to be known by.
        work_dir: keeps the states, a few hundred megabytes.
        name: begins the folder's name.
    """
    if (preprocessor := upper.preprocessor) is None:
        raise ValueError("The encoder has no preprocessor to make tokens of texts.")
    pieces = [
        preprocessor(list(texts[start : start + TOKENISED_AT_ONCE]))
        for start in range(0, len(texts), TOKENISED_AT_ONCE)
    ]
    tokens = {
        key: np.concatenate([np.asarray(piece[key]) for piece in pieces])
        for key in upper.encoder.backbone.input
    }
    content = {
        "tokens": arrays_digest(tokens),
        "encoder": encoder_digest(upper.encoder),
    }

    def compute() -> dict[str, np.ndarray]:
        print(f"{name}: lower layers of {len(texts)} texts", flush=True)
        found = lower_states(upper, tokens)
        return {"states": found.states, "starts": found.starts}

    with Run.within(work_dir, f"states-{name}", Cut(upper.first_layer), content) as run:
        return KeptStates(TokenStates(**run.arrays("states", compute)), run.digest)


def kept_vectors(
    upper: UpperEncoder,
    lower: KeptStates,
    work_dir: Path,
    name: str,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """What the encoder, as it is now, makes of texts whose lower layers have been run.

    Args:
        upper: the encoder, cut.
        lower: of the texts.
        work_dir: keeps the vectors.
        name: begins the folder's name.
        rows: numbers of texts; all if None.

    Returns:
        `[rows, dim]`.
    """
    rows = np.arange(len(lower.states)) if rows is None else np.asarray(rows)
    content = {
        "states": lower.digest,
        "rows": arrays_digest(rows),
        "encoder": encoder_digest(upper.encoder),
    }
    cut = Cut(upper.first_layer)
    with Run.within(work_dir, f"vectors-{name}", cut, content) as run:
        return run.array("vectors", lambda: embed_states(upper, lower.states, rows))
