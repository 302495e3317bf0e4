"""Simulated users, each with a hidden taste in replies, for learning from feedback.

A taste is a rule that gives a reply a number, and a user likes more of it or less:
short or long replies, ones that ask back or do not, ones that mention food or not. The
rules of validation and of test users are named here; training users like or dislike
replies with any of a few words that no named rule looks at, so that neither a rule of
test users nor its opposite is met in training.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from maml_tf.episodes.corpus import CorpusError

_TOKEN = re.compile(r"[a-z']+|[0-9]+|[?!,]")
# Two replies of a pair differ by at most so many words, unless length is the taste.
_ALIKE = 2

_WORDS = {
    "first person": "i i'm im i've i'd i'll my me mine myself am we our us",
    "numbers": "one two three four five six seven eight nine ten twenty hundred first "
    "second once twice half",
    "family": "family mom mother dad father parents kids kid children child son sons "
    "daughter daughters brother brothers sister sisters husband wife married baby "
    "uncle aunt grandma grandmother grandfather grandparents",
    "food": "food eat eating ate pizza meat cook cooking pasta chicken bread coffee "
    "tea cheese chocolate cake ice cream bake baking burgers burger fruit vegetables "
    "vegan vegetarian sushi tacos dinner lunch breakfast restaurant beer wine drink",
    "second person": "you your you're youre yours yourself you've ya u",
    "likings": "like likes love loves enjoy enjoys adore fan favorite favourite",
    "negations": "no not never none nothing nor don't dont can't cant won't isn't "
    "aren't didn't doesn't wasn't haven't",
    "interjections": "oh wow cool lol haha yeah yes yea nice awesome hi hello hey ok "
    "okay great",
}
# Words that go with asking back, which test users may want.
_ASKING = (
    "what how do are where who when why does did can could would any which whats hows "
    "is have"
)


@dataclass(frozen=True)
class Taste:
    """A rule over replies.

    Attributes:
        name: what it looks at.
        score: from a reply to a number.
        least: how much two replies differ that the rule tells apart.
        of_length: the rule is about length, so that a pair may differ in it.
    """

    name: str
    score: Callable[[str], float]
    least: float = 1.0
    of_length: bool = False


class User(NamedTuple):
    """A taste, and whether more of it is liked (1) or less (-1)."""

    taste: Taste
    sign: int


def tokens_of(reply: str) -> list[str]:
    """Words, numbers and marks, in lower case.

    Example:

    >>> tokens_of("I'm 30, you ?")
    ["i'm", '30', ',', 'you', '?']
    """
    return _TOKEN.findall(reply.lower())


def length_of(reply: str) -> int:
    """How many words a reply has, without marks.

    Example:

    >>> length_of("hi ! how are you ?")
    4
    """
    return sum(token not in "?!," for token in tokens_of(reply))


def mentions(words: Iterable[str]) -> Callable[[str], float]:
    """Whether a reply has any of the words.

    Example:

    >>> mentions({"dog"})("my dog barks"), mentions({"dog"})("dogs bark")
    (1.0, 0.0)
    """
    wanted = frozenset(words)
    return lambda reply: float(not wanted.isdisjoint(tokens_of(reply)))


def _named(name: str) -> Taste:
    return Taste(name, mentions(_WORDS[name].split()))


def _numbers(reply: str) -> float:
    digits = any(token.isdecimal() for token in tokens_of(reply))
    return float(digits) or mentions(_WORDS["numbers"].split())(reply)


TASTES = {
    "validation": (
        *map(_named, ("second person", "likings", "negations", "interjections")),
        Taste("long words", lambda r: len(r) / max(len(r.split()), 1), least=1.0),
    ),
    "test": (
        Taste("length", lambda r: float(length_of(r)), least=4.0, of_length=True),
        Taste("asks back", mentions("?")),
        _named("first person"),
        Taste("exclamation marks", mentions("!")),
        Taste("commas", mentions(",")),
        Taste("numbers", _numbers),
        _named("family"),
        _named("food"),
    ),
}


def training_words(
    replies: Sequence[str], *, least: float = 0.008, most: float = 0.25
) -> tuple[str, ...]:
    """Words that training users may look at, frequent ones first.

    They are those in a share of `least` to `most` of the replies that no named rule
    looks at and that do not go with asking back.

    Example:

    >>> training_words(["the sun", "the moon", "my sun"], least=0.5, most=1.0)
    ('sun', 'the')
    """
    named = {word for words in _WORDS.values() for word in words.split()}
    named |= {*_ASKING.split(), *"?!,"}
    counts = Counter(word for reply in replies for word in set(tokens_of(reply)))
    total = max(len(replies), 1)
    return tuple(
        word
        # In an order that no hash decides: a run goes on with the same users.
        for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if least * total <= count <= most * total
        and word not in named
        and not word.isdecimal()
    )


def draw_user(
    tastes: Sequence[Taste] | None,
    random: np.random.Generator,
    words: Sequence[str] = (),
) -> User:
    """A user with one of the tastes, in either direction.

    Args:
        tastes: to draw from; None for a taste made of two to six of `words`.
        random: what draws.
        words: see `training_words`.
    """
    sign = int(random.choice([-1, 1]))
    if tastes is not None:
        return User(tastes[int(random.integers(len(tastes)))], sign)
    count = min(int(random.integers(2, 7)), len(words))
    chosen = [words[place] for place in random.choice(len(words), count, False)]
    return User(Taste(" | ".join(chosen), mentions(chosen)), sign)


def draw_pairs(
    user: User,
    replies: Sequence[str],
    contexts: np.ndarray,
    count: int,
    random: np.random.Generator,
) -> np.ndarray:
    """Pairs that the user judges, the liked reply first, `[count, 2]`.

    Both replies of a pair have one context, and no reply is in two pairs.

    Args:
        user: whose taste.
        replies: the replies to draw from.
        contexts: the number of each reply's context, `[replies]`.
        count: how many pairs.
        random: what draws.

    Raises:
        CorpusError: if the taste does not tell so many pairs apart.

    Example:

    >>> user = User(TASTES["test"][1], 1)
    >>> draw_pairs(user, ["hi", "you ?"], np.zeros(2), 1, np.random.default_rng(0))
    array([[1, 0]])
    """
    scores = user.sign * np.array([user.taste.score(reply) for reply in replies])
    lengths = np.array([length_of(reply) for reply in replies])
    free = np.ones(len(replies), bool)
    pairs: list[tuple[int, int]] = []
    for row in random.permutation(len(replies)):
        if len(pairs) == count:
            break
        if not free[row]:
            continue
        fits = free & (contexts == contexts[row])
        fits &= np.abs(scores - scores[row]) >= user.taste.least
        if not user.taste.of_length:
            fits &= np.abs(lengths - lengths[row]) <= _ALIKE
        if fits.any():
            other = int(random.choice(np.flatnonzero(fits)))
            free[[row, other]] = False
            first = scores[row] > scores[other]
            pairs.append((int(row), other) if first else (other, int(row)))
    if len(pairs) < count:
        raise CorpusError(
            f"The taste {user.taste.name!r} tells {len(pairs)} pairs of {len(replies)} "
            f"replies apart, and {count} are asked for; give more replies."
        )
    return np.array(pairs)
