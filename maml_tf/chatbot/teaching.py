"""Changes of what a bot was taught, each made within one transaction of its memory.

Texts that differ in case and blanks alone are the same text here (`text_key`).
"""

import difflib
from collections.abc import Sequence
from typing import NamedTuple

from maml_tf.chatbot.memory import Change
from maml_tf.chatbot.records import Taught
from maml_tf.episodes.same_text import text_key
from maml_tf.serving.limits import Limits
from maml_tf.serving.negatives import NEGATIVE
from maml_tf.serving.results import RequestError

MOST_RESPONSES = 10_000  # of one bot


class Lesson(NamedTuple):
    """What is to be taught of one intent, checked."""

    intent: str
    examples: Sequence[str]
    responses: Sequence[str]


def teach(change: Change, lesson: Lesson, limits: Limits) -> Taught:
    """Adds what is new of a lesson, and points out texts that are under two intents."""
    intent = lesson.intent
    held: dict[str, set[str]] = {}
    for text, label in change.rows("examples"):
        held.setdefault(text_key(text), set()).add(label)
    added, warnings = 0, []
    for text in lesson.examples:
        labels = held.setdefault(text_key(text), set())
        if intent in labels:
            continue
        if labels:
            warnings.append(
                f"{text!r} is taught for {_shown(intent)} and for "
                f"{_shown(sorted(labels)[0])}; no bot can answer it right under both. "
                "Correct it to the one that is right."
            )
        labels.add(intent)
        change.add("examples", text, intent)
        added += 1
    check_count(change, limits)
    known = {r for name, r in change.rows("responses") if name == intent}
    for response in dict.fromkeys(lesson.responses):
        if response not in known:
            change.add("responses", intent, response)
    if len(change.rows("responses")) > MOST_RESPONSES:
        raise RequestError(
            f"The bot {change.bot!r} would have more than {MOST_RESPONSES} responses."
        )
    return Taught(intent, added, warnings)


def correct(change: Change, text: str, intent: str, limits: Limits) -> Taught:
    """Makes a text an example of one intent, or of none, and of no other."""
    key = text_key(text)
    change.remove("examples", lambda t, label: text_key(t) == key and label != intent)
    return teach(change, Lesson(intent, [text], []), limits)


def forget(change: Change, intent: str) -> int:
    """Removes an intent with its examples and responses; how many examples."""
    count = change.remove("examples", lambda _, label: label == intent)
    responses = change.remove("responses", lambda name, _: name == intent)
    if not count and not responses:
        raise unknown(change, intent)
    return count


def forget_example(change: Change, intent: str, text: str) -> int:
    """Removes a text from an intent; how many examples there were."""
    key = text_key(text)
    count = change.remove(
        "examples", lambda t, label: label == intent and text_key(t) == key
    )
    if not count:
        if all(label != intent for _, label in change.rows("examples")):
            raise unknown(change, intent)
        raise RequestError(f"{text!r} is no example of {_shown(intent)}.")
    return count


def judge(change: Change, text: str, reply: str, liked: bool) -> None:
    """Stores what a person thought of a reply, in place of what they thought before."""
    key = text_key(text)
    if (text, reply, int(liked)) in change.rows("verdicts"):
        return
    change.remove("verdicts", lambda t, said, _: said == reply and text_key(t) == key)
    change.add("verdicts", text, reply, int(liked))


def check_count(change: Change, limits: Limits) -> None:
    """Refuses more examples than the model takes."""
    count = len(change.rows("examples"))
    if count > limits.examples and change.added["examples"]:
        raise RequestError(
            f"The bot {change.bot!r} would have {count} examples; the model learns "
            f"from at most {limits.examples}. Nothing was changed."
        )


def unknown(change: Change, intent: str) -> RequestError:
    """The error of an intent that is none of the bot's."""
    names = sorted({label for _, label in change.rows("examples")})
    near = difflib.get_close_matches(intent, names, 3, 0.5) or names[:3]
    there = ", ".join(map(repr, near)) or "none yet"
    return RequestError(f"There is no intent {intent!r}; the nearest are {there}.")


def _shown(intent: str) -> str:
    return "no intent" if intent == NEGATIVE else repr(intent)
