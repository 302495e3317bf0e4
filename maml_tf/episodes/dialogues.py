"""Dialogues of many people, from which tasks are drawn: one person is one task.

Files of four kinds are read: JSON lines with "turns", every second of which is the
person's (those of Xpersona); JSON lines with a "group" and "turns" that name their
speaker; JSON lines of chat "messages" with roles, where the assistant is the person;
and the text files of ConvAI2.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from maml_tf.episodes.corpus import CorpusError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Turn:
    """What one of the two said, and whether it was the person that is learned."""

    text: str
    own: bool


@dataclass(frozen=True)
class Dialogue:
    """A dialogue of one person with another.

    Attributes:
        group: whose dialogue it is; all of a group are one task.
        turns: in their order; both speak.
        persona: sentences that describe the person, which may be none.
        place: file and line, for messages.

    Example:

    >>> Dialogue("ann", (Turn("hi", False), Turn("hello!", True))).group
    'ann'
    """

    group: str
    turns: tuple[Turn, ...]
    persona: tuple[str, ...] = ()
    place: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        sides = {turn.own for turn in self.turns}
        if sides != {True, False}:
            who = "the person" if sides == {False} else "the other"
            raise CorpusError(
                f"{self.place or 'A dialogue'} has no turn of {who}; a dialogue needs "
                "both sides."
            )


@dataclass(frozen=True)
class DialogueCorpus:
    """Dialogues and what their reader left aside.

    Example:

    >>> both = (Turn("hi", False), Turn("hello!", True))
    >>> corpus = DialogueCorpus((Dialogue("0", both), Dialogue("7", both)), "two")
    >>> corpus.groups, corpus.split("validation").groups
    (('0', '7'), ('7',))
    """

    dialogues: tuple[Dialogue, ...]
    name: str
    skipped: Counter[str] = field(default_factory=Counter, compare=False)

    @property
    def groups(self) -> tuple[str, ...]:
        """Whose dialogues they are, in the order of their first dialogue."""
        return tuple(dict.fromkeys(d.group for d in self.dialogues))

    def split(self, which: str) -> "DialogueCorpus":
        """The dialogues of a tenth, or some tenths, of the people.

        A person whose name is a whole number belongs by its last digit: 0 to 6 are
        trained on, 7 is validation, 8 and 9 are test. Where not all names are whole
        numbers, the place in the sorted names is the number.

        Args:
            which: "train", "validation", "test", or "all".

        Raises:
            CorpusError: if nobody is in it.
        """
        if which == "all":
            return self
        if which not in SPLITS:
            raise CorpusError(
                f"There is no split {which!r}; take one of {', '.join(SPLITS)}, all."
            )
        names = sorted(self.groups)
        if all(name.isdecimal() for name in names):
            numbers = {name: int(name) for name in names}
        else:
            numbers = {name: place for place, name in enumerate(names)}
        kept = tuple(d for d in self.dialogues if _split_of(numbers[d.group]) == which)
        if not kept:
            raise CorpusError(
                f"{self.name} has {len(names)} people and none of them in the split "
                f"{which!r} (numbers that end in 0 to 6 are train, 7 validation); "
                "take --split=all, or give more people."
            )
        return DialogueCorpus(kept, f"{self.name} ({which})", self.skipped)

    def with_at_least(self, dialogues: int) -> "DialogueCorpus":
        """Those people who have so many dialogues.

        Raises:
            CorpusError: if nobody has.
        """
        counts = Counter(d.group for d in self.dialogues)
        kept = tuple(d for d in self.dialogues if counts[d.group] >= dialogues)
        if not kept:
            raise CorpusError(
                f"{self.name}: a task needs {dialogues} dialogues of one person, and "
                f"nobody of {len(counts)} has more than {max(counts.values())}; ask "
                "for fewer support or query dialogues, or give more."
            )
        return DialogueCorpus(kept, self.name, self.skipped)

    def after(self, others: "DialogueCorpus") -> "DialogueCorpus":
        """The people of both, `others` first, who are other people by whatever name.

        Example:

        >>> both = (Turn("hi", False), Turn("hello!", True))
        >>> one = DialogueCorpus((Dialogue("0", both),), "one")
        >>> one.after(one).groups
        ('others: 0', '0')
        """
        renamed = tuple(
            replace(d, group=f"others: {d.group}") for d in others.dialogues
        )
        return DialogueCorpus(
            renamed + self.dialogues,
            f"{others.name} and {self.name}",
            others.skipped + self.skipped,
        )

    def rows_of_groups(self) -> list[np.ndarray]:
        """The places of each person's dialogues, in the order of `groups`."""
        rows: dict[str, list[int]] = {}
        for place, dialogue in enumerate(self.dialogues):
            rows.setdefault(dialogue.group, []).append(place)
        return [np.array(places) for places in rows.values()]

    def summary(self) -> str:
        """One line that says what was read."""
        turns = sum(len(d.turns) for d in self.dialogues)
        aside = "".join(f", {n} {what} left aside" for what, n in self.skipped.items())
        return (
            f"{self.name}: {len(self.dialogues)} dialogues of {len(self.groups)} "
            f"people, {turns} turns{aside}."
        )


def joined(texts: Iterable[Turn]) -> tuple[Turn, ...]:
    """Turns with those of one speaker after each other made one.

    Example:

    >>> joined([Turn("hi", True), Turn("there", True), Turn("yes?", False)])
    (Turn(text='hi there', own=True), Turn(text='yes?', own=False))
    """
    found: list[Turn] = []
    for turn in texts:
        if found and found[-1].own == turn.own:
            turn = Turn(f"{found.pop().text} {turn.text}", turn.own)
        found.append(turn)
    return tuple(found)


def _split_of(number: int) -> str:
    digit = number % 10
    return SPLITS[(digit >= 7) + (digit >= 8)]


def alternating(texts: Sequence[str], first_own: bool = False) -> tuple[Turn, ...]:
    """Turns of two who take turns."""
    return tuple(
        Turn(text, (place % 2 == 0) == first_own) for place, text in enumerate(texts)
    )
