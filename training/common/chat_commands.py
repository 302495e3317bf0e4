"""What a person can say to a bot in the terminal, beside plain text."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maml_tf.serving.negatives import NEGATIVE
from maml_tf.serving.results import RequestError

if TYPE_CHECKING:
    from maml_tf.chatbot import Chatbot, Reply, Taught

# Each: what it takes, and what it does.
HELP = {
    "/teach": ("INTENT EXAMPLE [| EXAMPLE …]", "teaches examples of an intent"),
    "/say": ("INTENT RESPONSE [| RESPONSE …]", "teaches what to reply to it"),
    "/correct": ("INTENT", "makes your last text an example of it, and of no other"),
    "/never": ("[TEXT]", "says that no intent is right for it, or your last text"),
    "/good": ("", "likes the last reply"),
    "/bad": ("", "dislikes the last reply"),
    "/why": ("", "which examples decided on the last reply, and by how much"),
    "/intents": ("[INTENT]", "lists what the bot knows"),
    "/forget": ("INTENT [EXAMPLE]", "removes an intent, or one of its examples"),
    "/undo": ("", "takes back the newest change"),
    "/history": ("", "lists all changes"),
    "/import": ("FILE", "adds a bot from Rasa NLU YAML or JSON lines"),
    "/export": ("FILE", "writes the bot, as JSON lines where FILE ends in .jsonl"),
    "/help": ("", "lists the commands"),
    "/quit": ("", "leaves; all that was taught is kept"),
}
TAKE_INTENTS = ("/teach", "/say", "/correct", "/intents", "/forget")
LATEST = 20  # changes that /history shows


@dataclass(frozen=True)
class Shown:
    """What is to be shown: lines, and the manner of each."""

    lines: list[tuple[str, str]]


def shown(*lines: str, manner: str = "note") -> Shown:
    """Lines of one manner: "bot", "asks", "note", "warning"."""
    return Shown([(manner, line) for line in lines])


class Commands:
    """Answers the lines of one conversation.

    Args:
        chatbot: gives the bot; called when it is first needed, and may wait for it.
        name: of the bot.
    """

    def __init__(self, chatbot: Callable[[], "Chatbot"], name: str) -> None:
        self._chatbot, self.name = chatbot, name
        self._asked: str | None = None
        self._reply: Reply | None = None

    @property
    def bot(self) -> "Chatbot":
        return self._chatbot()

    def answer(self, line: str) -> Shown | None:
        """What to show upon a line, or None to leave.

        Raises:
            RequestError: with what is wrong about it.
        """
        line = line.strip()
        if not line:
            return Shown([])
        if not line.startswith("/"):
            return self._said(line)
        word, _, rest = line.partition(" ")
        if word in ("/quit", "/exit"):
            return None
        if word not in HELP:
            raise RequestError(f"There is no command {word!r:.40}; /help lists them.")
        return getattr(self, f"_{word[1:]}")(rest.strip())

    def completions(self, before: str) -> list[str]:
        """What the last word of an unfinished line could become."""
        word, blank, rest = before.partition(" ")
        if not word.startswith("/"):
            return []
        if not blank:
            return [name for name in HELP if name.startswith(word)]
        if word not in TAKE_INTENTS or " " in rest:
            return []
        try:
            names = [_quoted(intent.name) for intent in self.bot.intents()]
        except Exception:  # of a model that cannot be had the next line is told
            return []
        return [name for name in names if name.startswith(rest)]

    def _said(self, line: str) -> Shown:
        reply = self._reply = self.bot.reply(line)
        self._asked = reply.asked
        manner = "bot" if reply.intent else "asks"
        lines = [(manner, reply.text)]
        if reply.intent:
            lines.append(("note", f"{reply.intent}, {reply.confidence:.2f}"))
        elif reply.alternatives:
            near = ", ".join(
                f"{a.intent} {a.probability:.2f}" for a in reply.alternatives
            )
            lines.append(("note", f"{near}  (/correct INTENT, or /never)"))
        return Shown(lines)

    def _teach(self, rest: str) -> Shown:
        intent, rest = _first(rest, "/teach")
        return _stored(self.bot.teach(intent, _parts(rest)))

    def _say(self, rest: str) -> Shown:
        intent, rest = _first(rest, "/say")
        if not rest:
            raise _usage("/say")
        self.bot.teach(intent, [], _parts(rest))
        return shown(f"{intent}: stored.")

    def _correct(self, rest: str) -> Shown:
        intent, more = _first(rest, "/correct")
        if more:
            raise _usage("/correct")
        return _stored(self.bot.correct(self._last(), intent))

    def _never(self, rest: str) -> Shown:
        return _stored(self.bot.never(rest or self._last()))

    def _good(self, rest: str) -> Shown:
        return _stored(self.bot.thumbs(self._last_reply(), up=True))

    def _bad(self, rest: str) -> Shown:
        self.bot.thumbs(self._last_reply(), up=False)
        return shown("It is not said to that again.")

    def _why(self, rest: str) -> Shown:
        reply = self._last_reply()
        if not reply.because:
            return shown("Nothing was taught that it could go by.")
        lines = [
            f"{why.weight:6.3f}  {why.intent}: {why.text}" for why in reply.because
        ]
        if reply.margin is not None:
            side = "above" if reply.margin >= 0 else "below"
            lines.append(f"{abs(reply.margin):.2f} {side} the bot's threshold")
        return shown(*lines)

    def _intents(self, rest: str) -> Shown:
        intents = self.bot.intents()
        if rest:
            name, _ = _first(rest, "/intents")
            found = [intent for intent in intents if intent.name == name]
            if not found:
                raise RequestError(f"There is no intent {name!r}; /intents lists all.")
            examples = [f"  {text}" for text in found[0].examples]
            responses = [f"  → {text}" for text in found[0].responses]
            return shown(name, *examples, *responses)
        lines = [
            f"{i.name}: {_count(i.examples, 'example')}, "
            f"{_count(i.responses, 'response')}"
            for i in intents
        ]
        negatives = self.bot.negatives()
        if negatives:
            lines.append(f"for none: {_count(negatives, 'example')}")
        return shown(*(lines or ["Nothing yet; /teach INTENT EXAMPLE."]))

    def _forget(self, rest: str) -> Shown:
        intent, text = _first(rest, "/forget")
        if text:
            self.bot.forget_example(intent, text)
            return shown(f"{intent}: forgot {text!r}.")
        count = self.bot.forget(intent)
        return shown(f"{intent}: forgot {count} examples; /undo brings them back.")

    def _undo(self, rest: str) -> Shown:
        return shown(f"Undone: {self.bot.undo()}.")

    def _history(self, rest: str) -> Shown:
        events = self.bot.history()[-LATEST:]
        lines = [f"{e.number:4}  {e.when[:19]}  {e.summary}" for e in events]
        return shown(*(lines or ["Nothing yet."]))

    def _import(self, rest: str) -> Shown:
        if not rest:
            raise _usage("/import")
        found = self.bot.import_file(rest)
        head = (
            f"{found.examples} examples and {found.responses} responses are new, "
            f"{found.intents} intents."
        )
        left = [("warning", line) for line in found.skipped[:LATEST]]
        return Shown([("note", head), *left])

    def _export(self, rest: str) -> Shown:
        if not rest:
            raise _usage("/export")
        self.bot.export_file(rest)
        return shown(f"{rest} is written.")

    def _help(self, rest: str) -> Shown:
        return shown(
            *(
                f"{name} {takes}".ljust(36) + does
                for name, (takes, does) in HELP.items()
            )
        )

    def _last(self) -> str:
        if self._asked is None:
            raise RequestError("Say something first, which this is about.")
        return self._asked

    def _last_reply(self) -> "Reply":
        if self._reply is None:
            raise RequestError("Say something first, which this is about.")
        return self._reply


def _stored(taught: "Taught") -> Shown:
    name = "for none" if taught.intent == NEGATIVE else taught.intent
    count = f"{taught.added} new" if taught.added else "nothing new"
    warnings = [("warning", warning) for warning in taught.warnings]
    return Shown([("note", f"{name}: {count}."), *warnings])


def _first(rest: str, command: str) -> tuple[str, str]:
    """The first word, or what stands in quotes there, and what is behind it.

    Example:

    >>> _first('"lost card" my card is gone', "/teach")
    ('lost card', 'my card is gone')
    """
    if rest.startswith('"') and '"' in rest[1:]:
        name, _, behind = rest[1:].partition('"')
    else:
        name, _, behind = rest.partition(" ")
    if not name:
        raise _usage(command)
    return name, behind.strip()


def _parts(rest: str) -> list[str]:
    return [part.strip() for part in rest.split("|")] if rest else []


def _count(values: list[str], what: str) -> str:
    return f"{len(values)} {what}{'' if len(values) == 1 else 's'}"


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name


def _usage(command: str) -> RequestError:
    return RequestError(f"Write {command} {HELP[command][0]}.")
