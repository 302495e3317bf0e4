"""Rules over replies, of which a simulated user likes more or less.

A taste gives a reply a number: its length, whether it asks back, whether it mentions
food. Those of training, validation and test users are named here. No word or mark that
a validation or test taste looks at is looked at in training, so that neither such a
rule nor its opposite is met there.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(r"[a-z']+|[0-9]+|[?!,]")

_HELD_OUT_WORDS = {
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
_TRAINING_WORDS = {
    "animals": "dog dogs cat cats pet pets animal animals horse horses puppy fish bird "
    "birds kitten",
    "sports": "sport sports football basketball soccer baseball run running swim "
    "swimming gym team hockey tennis golf hike hiking ride riding surf ski yoga",
    "music": "music song songs sing singing band guitar piano play playing concert "
    "rock jazz country listen listening dance dancing",
    "work": "work working job jobs office business company boss money nurse teacher "
    "lawyer engineer store sell career retired",
    "learning": "school college student students study studying class teach teaching "
    "university degree learn learning graduate major",
    "travel": "travel traveling trip trips vacation beach city world country visit "
    "moved live living lived town state europe california florida texas",
    "reading and films": "read reading book books movie movies watch watching tv show "
    "shows film films story stories write writing netflix",
    "time": "today day days night morning week weekend year years time old always "
    "usually often sometimes soon now later tonight",
    "colours and looks": "red blue green black white pink purple yellow color hair "
    "eyes tall short beautiful pretty wear shoes clothes",
    "vehicles": "car cars truck drive driving bike motorcycle boat fly plane train",
    "games and hobbies": "game games video hobby hobbies paint painting art draw craft "
    "garden gardening collect knit fishing hunting computer",
    "house": "house home room bed apartment kitchen door farm yard",
    "friends": "friend friends people person guy guys girl girls boyfriend girlfriend "
    "man woman women men everyone",
    "third person": "he she they him her them his their he's she's they're",
    "articles": "the a an",
    "joining words": "and but or so because",
    "pointing words": "it it's its that that's this these those there",
    "was and had": "was were had went got been used came made",
    "hedges": "maybe think guess probably might hope wish perhaps seems bit kind sort",
    "strengthening words": "very really so too much lot all ever big super pretty "
    "totally definitely",
    "place words": "in on at from with for by about into near",
    "wanting": "want wants need needs trying try going gonna will looking hoping",
    "pleasant feelings": "good happy fun glad best better well interesting excited "
    "fine amazing wonderful thanks thank",
    "unpleasant feelings": "bad hard sad sorry hate tired sick scared lonely worst "
    "difficult stress busy crazy broke",
}


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


def _held_out(name: str) -> Taste:
    return Taste(name, mentions(_HELD_OUT_WORDS[name].split()))


def _numbers(reply: str) -> float:
    digits = any(token.isdecimal() for token in tokens_of(reply))
    return float(digits) or mentions(_HELD_OUT_WORDS["numbers"].split())(reply)


def _ends_in(*endings: str) -> Callable[[str], float]:
    """Whether a word of five letters or more that no held-out rule looks at does."""
    return lambda reply: float(
        any(
            len(token) >= 5 and token.endswith(endings) and token not in HELD_OUT
            for token in tokens_of(reply)
        )
    )


# What no training user looks at.
HELD_OUT = frozenset(
    [word for words in _HELD_OUT_WORDS.values() for word in words.split()]
    + _ASKING.split()
    + list("?!,")
)

TASTES = {
    "train": (
        *(Taste(n, mentions(w.split())) for n, w in _TRAINING_WORDS.items()),
        Taste("words in -ing", _ends_in("ing")),
        Taste("words in -ed", _ends_in("ed")),
        Taste("words in -ly", _ends_in("ly")),
        Taste("words in -s", _ends_in("s")),
        Taste("words in -er", _ends_in("er")),
    ),
    "validation": (
        *map(_held_out, ("second person", "likings", "negations", "interjections")),
        Taste("long words", lambda r: len(r) / max(len(r.split()), 1), least=1.0),
    ),
    "test": (
        Taste("length", lambda r: float(length_of(r)), least=4.0, of_length=True),
        Taste("asks back", mentions("?")),
        _held_out("first person"),
        Taste("exclamation marks", mentions("!")),
        Taste("commas", mentions(",")),
        Taste("numbers", _numbers),
        _held_out("family"),
        _held_out("food"),
    ),
}


def training_words(
    replies: Sequence[str], *, least: float = 0.008, most: float = 0.25
) -> tuple[str, ...]:
    """Words that training users may look at, frequent ones first.

    They are those in a share of `least` to `most` of the replies that no held-out rule
    looks at and that do not go with asking back.

    Example:

    >>> training_words(["the sun", "the moon", "my sun"], least=0.5, most=1.0)
    ('sun', 'the')
    """
    counts = Counter(word for reply in replies for word in set(tokens_of(reply)))
    total = max(len(replies), 1)
    return tuple(
        word
        # In an order that no hash decides: a run goes on with the same users.
        for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if least * total <= count <= most * total
        and word not in HELD_OUT
        and not word.isdecimal()
    )
