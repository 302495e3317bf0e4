"""Simulated users, each with a hidden taste in replies, for learning from feedback.

A user likes more of what a taste looks at, or less. The tastes of validation and of
test users are never met in training: see `tastes`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from maml_tf.episodes.corpus import CorpusError
from maml_tf.episodes.tastes import TASTES, Taste, length_of, mentions

# Two replies of a pair differ by at most so many words, unless length is the taste.
_ALIKE = 2


class User(NamedTuple):
    """A taste, and whether more of it is liked (1) or less (-1)."""

    taste: Taste
    sign: int


def draw_user(
    part: str, random: np.random.Generator, words: Sequence[str] = ()
) -> User:
    """A user of a part, with one of its tastes in either direction.

    Args:
        part: "train", "validation" or "test".
        random: what draws.
        words: see `training_words`; where there are some, every other user has a taste
            for two to six of them in place of a named one.

    Example:

    >>> draw_user("test", np.random.default_rng(0)).taste.name
    'numbers'
    """
    sign = int(random.choice([-1, 1]))
    if len(words) and random.random() < 0.5:
        count = min(int(random.integers(2, 7)), len(words))
        chosen = [words[place] for place in random.choice(len(words), count, False)]
        return User(Taste(" | ".join(chosen), mentions(chosen)), sign)
    tastes = TASTES[part]
    return User(tastes[int(random.integers(len(tastes)))], sign)


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
