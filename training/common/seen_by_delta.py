"""Whether a corpus to judge on was seen by the delta that an encoder starts from."""

from maml_tf.base_learners.delta import Delta, shipped_deltas
from maml_tf.episodes import Corpus, CorpusError
from maml_tf.evaluation.seen import seen_by

from .seen_classes import Judged


def delta_of(base_learner: str | None, pretrained: str | None) -> Delta | None:
    """The delta that an encoder of these names starts from, if any.

    Args:
        base_learner: the preset; None for the default one.
        pretrained: as in `create_text_encoder`.
    """
    if pretrained == "base":
        return None
    if pretrained not in (None, "meta"):
        return Delta.load(pretrained)
    for path in shipped_deltas().values():
        delta = Delta.load(path)
        if base_learner in (None, delta.card["base"].get("preset")):
            return delta
    return None


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
    overlap = seen_by(delta, judged.corpus)
    if not overlap.is_leak:
        return judged
    if policy == "refuse":
        raise CorpusError(
            f"{overlap} of the delta {delta.card.get('name', '')!r}, so accuracy on it "
            "says nothing of new bots; give another corpus, train from "
            "--pretrained=base, or say --seen_classes=leave_out or label."
        )
    labels = judged.corpus.labels
    seen = tuple(sorted({*overlap.classes, *(labels[row] for row in overlap.rows)}))
    if policy == "label":
        return Judged(judged.corpus, tuple(sorted({*judged.seen, *seen})))
    return Judged(_without(judged.corpus, seen), judged.seen)


def tell_of_seen(test: Corpus, delta: Delta | None) -> bool:
    """Says before the training that its test classes will not be judged on.

    Returns:
        Whether the delta has seen them.
    """
    if delta is None or not (overlap := seen_by(delta, test)).is_leak:
        return False
    print(
        f"{overlap} of the delta {delta.card.get('name', '')!r}, so training.evaluate "
        "will refuse to judge on it; to be judged, train from --pretrained=base.",
        flush=True,
    )
    return True


def _without(corpus: Corpus, seen: tuple[str, ...]) -> Corpus:
    left = [name for name in corpus.classes if name not in seen]
    if not left:
        raise CorpusError(
            f"All {len(seen)} classes to judge on were seen in meta-training; give "
            "another corpus."
        )
    print(f"{len(seen)} classes that meta-training has seen are left out.")
    return corpus.select(left)
