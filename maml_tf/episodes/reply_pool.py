"""Replies out of dialogues, each behind a context, of which users like some."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maml_tf.episodes.corpus import CorpusError
from maml_tf.episodes.dialogues import Dialogue, DialogueCorpus, Turn
from maml_tf.episodes.tastes import Taste, length_of


@dataclass(frozen=True)
class ReplyPool:
    """Replies and contexts; those of one context can be compared.

    Attributes:
        replies: what people said.
        contexts: what the other says before.
        context_of: the number of each reply's context, `[replies]`.
    """

    replies: tuple[str, ...]
    contexts: tuple[str, ...]
    context_of: np.ndarray

    def dialogues(self) -> DialogueCorpus:
        """A dialogue of two turns for each reply, in their order."""
        return DialogueCorpus(
            tuple(
                Dialogue(
                    str(row), (Turn(self.contexts[number], False), Turn(reply, True))
                )
                for row, (reply, number) in enumerate(
                    zip(self.replies, self.context_of, strict=True)
                )
            ),
            "replies",
        )


def draw_reply_pool(
    corpus: DialogueCorpus,
    *,
    replies: int,
    contexts: int,
    words: tuple[int, int] = (4, 12),
    tastes: Sequence[Taste] = (),
    seed: int = 0,
) -> ReplyPool:
    """Replies of people to turns of others; who said which is mixed.

    Args:
        corpus: the dialogues.
        replies: how many different replies, or as many as there are.
        contexts: behind how many different turns of the other.
        words: the least and the most words of a reply; a context has at most as many
            as the shortest reply and two more.
        tastes: what users look at; what few replies have is taken first, so that an
            eighth of the replies has it where there are so many.
        seed: fixes what is drawn.

    Raises:
        CorpusError: if there are too few turns of that length.

    Example:

    >>> turns = (Turn("how are you ?", False), Turn("i am fine today .", True))
    >>> corpus = DialogueCorpus((Dialogue("ann", turns),), "one")
    >>> draw_reply_pool(corpus, replies=5, contexts=1).replies
    ('i am fine today .',)
    """
    random = np.random.default_rng((seed, 11))
    least, most = words
    turns = [turn for dialogue in corpus.dialogues for turn in dialogue.turns]
    said = {t.text: None for t in turns if t.own and least <= length_of(t.text) <= most}
    before = {
        t.text: None for t in turns if not t.own and 2 <= length_of(t.text) <= least + 2
    }
    if len(before) < contexts or not said:
        raise CorpusError(
            f"{corpus.name} has {len(said)} replies of {least} to {most} words and "
            f"{len(before)} turns before them of 2 to {least + 2}, and {contexts} of "
            "these are asked for; give more dialogues, or ask for fewer contexts."
        )
    texts = [list(said)[place] for place in random.permutation(len(said))]
    first: dict[str, None] = {}
    for taste in tastes:
        having = [text for text in texts if taste.score(text) >= taste.least]
        first |= dict.fromkeys(having[: replies // 8])
    chosen = list(dict.fromkeys([*first, *texts]))[:replies]
    random.shuffle(chosen)
    names = list(before)
    return ReplyPool(
        tuple(chosen),
        tuple(names[p] for p in random.choice(len(names), contexts, replace=False)),
        np.arange(len(chosen)) % contexts,
    )
