"""Whether what somebody says fits the sentences that describe them.

A reply touches on a sentence when both have a content word: one of three letters or
more that is no function word, compared without the endings s, es, ed and ing. In text
without spaces between words (Chinese, Japanese) it is two neighbouring characters.
Sentences of other people are touched on by chance; a reply fits by how much more often
it touches on those of its own person.
"""

import re
from collections.abc import Iterable, Sequence

COMMON = """
about above after again all also always and another any anything are around ask
because been before being below best better between bit both but can cannot come could
did does doing don done down during each else even ever every everything for from get
going gonna good got great had has have having her here hers him himself his how into
its itself just kind know less let like little look lot lots made make many may maybe
mine more most much must myself need never nice nor not nothing now off once one only
other others our ours out over own per pretty put quite rather really right said same
say see shall she should since some someone something sometimes still such sure take
than thank thanks that the their them then there these they thing things think this
those though through time times today together too try two under until upon use used
very want wants was way well went were what when where which while who why will with
without would yeah yes yet you your yours yourself
"""
FUNCTION_WORDS = frozenset(COMMON.split())
UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]+")
WORD = re.compile(r"[^\W\d_]+")
LEAST_LETTERS = 3


def content_words(text: str) -> set[str]:
    """The words by which texts are compared.

    Example:

    >>> sorted(content_words("I really like walking my dogs, and hiking!"))
    ['dog', 'hik', 'walk']
    >>> sorted(content_words("我喜欢猫"))
    ['喜欢', '我喜', '欢猫']
    """
    lower = text.lower()
    found = {
        run[place : place + 2]
        for run in UNSPACED.findall(lower)
        for place in range(len(run) - 1)
    }
    words = WORD.findall(UNSPACED.sub(" ", lower))
    found |= {
        _stem(word)
        for word in words
        if len(word) >= LEAST_LETTERS and word not in FUNCTION_WORDS
    }
    return found


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        # Not of "thing" or "dress": what is left has to be a word still.
        if word.endswith(ending) and not word.endswith("ss"):
            stem = word[: -len(ending)]
            if len(stem) >= LEAST_LETTERS:
                return stem
    return word


def touched_sentences(reply: str, sentences: Sequence[str]) -> list[int]:
    """Places of the sentences that a reply has a content word in common with.

    Example:

    >>> touched_sentences("I walk my dogs.", ["i have a cat.", "my dog is old."])
    [1]
    """
    words = content_words(reply)
    return [
        place
        for place, sentence in enumerate(sentences)
        if words & content_words(sentence)
    ]


def consistency(
    replies: Iterable[str], own: Sequence[str], others: Sequence[Sequence[str]]
) -> tuple[float, float]:
    """Shares of replies that touch on a person's sentences, and on other people's.

    Args:
        replies: of the person.
        own: the sentences that describe them.
        others: the sentences of each other person.

    Returns:
        The share that touches on `own`, and the mean over `others` of the share that
        touches on theirs, which is what chance would give.

    Raises:
        ValueError: without replies or others.

    Example:

    >>> consistency(["I sail the seas", "hello"], ["i love to sail."], [["i bake."]])
    (0.5, 0.0)
    """
    replies = list(replies)
    if not replies or not others:
        raise ValueError("Consistency needs a reply, and another person to compare.")

    def share(sentences: Sequence[str]) -> float:
        touching = [bool(touched_sentences(reply, sentences)) for reply in replies]
        return sum(touching) / len(replies)

    return share(own), sum(map(share, others)) / len(others)
