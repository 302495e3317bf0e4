"""Whether a corpus to judge on holds texts that the vectors are centred on."""

from maml_tf.episodes.same_text import text_digest

from .default_learner_flags import FLAGS, centre_texts
from .seen_classes import Judged, Seen, unseen_part


def without_centre(judged: Judged, *, policy: str) -> Judged:
    """What there is to judge on, provided that the centre is of other texts.

    Raises:
        CorpusError: see `unseen_part`.
    """
    texts = centre_texts()
    if texts is None:
        return judged
    where = f"--centre_corpus={FLAGS.centre_corpus}"
    seen = Seen(where, frozenset(), frozenset(map(text_digest, texts)))
    other = unseen_part(judged.corpus, seen, corpus_digest="", policy=policy)
    return Judged(other.corpus, tuple(sorted({*judged.seen, *other.seen})))
