"""Whether a corpus to judge on was seen by the delta that an encoder starts from."""

from maml_tf.base_learners.delta import Delta
from maml_tf.episodes import Corpus
from maml_tf.evaluation.seen import refuse_seen, seen_by

from .seen_classes import Judged, without_classes


def unseen_by_delta(judged: Judged, delta: Delta | None, *, policy: str) -> Judged:
    """What there is to judge on, provided that meta-training has not seen it.

    A few texts and names that two corpora share by chance do not count.

    Args:
        judged: from `judged_corpus`.
        delta: that the encoder starts from.
        policy: of --seen_classes.

    Raises:
        CorpusError: for a corpus that was seen under "refuse", or when nothing is left.
    """
    if delta is None:
        return judged
    overlap = refuse_seen(judged.corpus, delta=delta, allow=policy != "refuse")
    if overlap is None or not overlap.is_leak:
        return judged
    labels = judged.corpus.labels
    seen = tuple(sorted({*overlap.classes, *(labels[row] for row in overlap.rows)}))
    if policy == "label":
        return Judged(judged.corpus, tuple(sorted({*judged.seen, *seen})))
    by = f"the delta {overlap.delta!r}"
    return Judged(without_classes(judged.corpus, seen, by), judged.seen)


def tell_of_seen(test: Corpus, delta: Delta | None) -> bool:
    """Says before the training that its test classes will not be judged on.

    Returns:
        Whether the delta has seen them.
    """
    if delta is None or not (overlap := seen_by(delta, test)).is_leak:
        return False
    print(
        f"{overlap}, so training.evaluate will refuse to judge on it; to be judged, "
        "train from --pretrained=base.",
        flush=True,
    )
    return True
