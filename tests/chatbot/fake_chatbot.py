"""A chatbot in memory that compares words: quick, and with the real one's face."""

import json
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

from maml_tf.serving import RequestError


@dataclass
class Taught:
    intent: str | None
    added: int
    warnings: list[str] = field(default_factory=list)


@dataclass
class Intent:
    name: str
    examples: list[str]
    responses: list[str]


@dataclass
class Alternative:
    intent: str
    probability: float


@dataclass
class Because:
    text: str
    intent: str
    weight: float


@dataclass
class Reply:
    text: str
    intent: str | None
    confidence: float
    alternatives: list[Alternative]
    because: list[Because]
    kind: str
    margin: float | None = None


@dataclass
class Event:
    number: int
    when: str
    kind: str
    summary: str


@dataclass
class Imported:
    intents: int
    examples: int
    responses: int
    skipped: list[str]


@dataclass
class Place:
    text: str
    intent: str | None
    x: float
    y: float


def words(text):
    return set(re.findall(r"\w+", text.lower()))


class FakeChatbot:
    """What the web server asks of `maml_tf.chatbot.Chatbot`, without a model."""

    def __init__(self, longest=1000):
        self.longest = longest
        self.known: dict[str, tuple[list[str], list[str]]] = {}
        self.none: list[str] = []
        self.events: list[Event] = []
        self.before: list[tuple] = []
        self.judged: list[tuple] = []
        self.lock = threading.Lock()

    def _changed(self, kind, summary):
        self.events.append(
            Event(len(self.events) + 1, "2026-11-27T10:00:00Z", kind, summary)
        )

    def _checked(self, text, what):
        if not text.strip():
            raise RequestError(f"The {what} is empty; write a word or more.")
        if len(text) > self.longest:
            raise RequestError(f"The {what} is too long: {len(text)} characters.")
        return text.strip()

    def _keep(self):
        copy = {name: (list(e), list(r)) for name, (e, r) in self.known.items()}
        self.before.append((copy, list(self.none)))

    def teach(self, intent, examples=(), responses=()):
        intent = self._checked(intent, "intent's name")
        examples = [self._checked(text, "example") for text in examples]
        with self.lock:
            self._keep()
            known, said = self.known.setdefault(intent, ([], []))
            new = [text for text in examples if text not in known]
            known += new
            said += [text for text in responses if text not in said]
            self._changed("teach", f"taught {intent}")
        return Taught(intent, len(new))

    def reply(self, text):
        text = self._checked(text, "text")
        if not self.known:
            return Reply("Teach me first.", None, 0.0, [], [], "untaught")
        near = sorted(
            (
                (len(words(text) & words(example)), example, name)
                for name, (examples, _) in self.known.items()
                for example in examples
            ),
            reverse=True,
        )
        total = sum(hits for hits, _, _ in near)
        shares = {
            name: sum(hits for hits, _, of in near if of == name) / max(total, 1)
            for name in self.known
        }
        best = max(shares, key=lambda name: shares[name])
        kind = "answer" if total else "unsure"
        said = (self.known[best][1] or [best])[0] if total else "I am not sure."
        return Reply(
            said,
            best if total else None,
            shares[best],
            [
                Alternative(*pair)
                for pair in sorted(shares.items(), key=lambda p: -p[1])
            ],
            [Because(e, n, hits / max(total, 1)) for hits, e, n in near[:3] if hits],
            kind,
        )

    def correct(self, text, intent):
        text = self._checked(text, "text")
        for examples, _ in self.known.values():
            if text in examples:
                examples.remove(text)
        return self.teach(intent, [text])

    def never(self, text):
        with self.lock:
            self._keep()
            self.none.append(self._checked(text, "text"))
            self._changed("never", f"never {text}")
        return Taught(None, 1)

    def forget(self, intent):
        if intent not in self.known:
            raise RequestError(f"There is no intent {intent[:40]!r}.")
        with self.lock:
            self._keep()
            self._changed("forget", f"forgot {intent}")
            return len(self.known.pop(intent)[0])

    def forget_example(self, intent, text):
        if text not in self.known.get(intent, ([], []))[0]:
            raise RequestError(f"{intent!r} has no such example.")
        with self.lock:
            self._keep()
            self.known[intent][0].remove(text)
            self._changed("forget", f"forgot {text}")
        return 1

    def undo(self):
        if not self.before:
            raise RequestError("There is nothing to undo.")
        with self.lock:
            self.known, self.none = self.before.pop()
            self._changed("undo", "undid")
        return "The last change is undone."

    def history(self, newest=None):
        return self.events[-newest:] if newest else list(self.events)

    def revision(self):
        return len(self.events)

    def intents(self):
        return [Intent(name, *both) for name, both in self.known.items()]

    def negatives(self):
        return list(self.none)

    def thumbs(self, reply, up):
        self.judged.append((reply, up))
        self._changed("thumbs", "judged")
        return Taught(reply.intent, 1)

    def import_file(self, path):
        try:
            rows = [json.loads(line) for line in Path(path).read_text().splitlines()]
        except ValueError as error:
            raise RequestError(f"{path} is not readable: {error}.") from error
        for row in rows:
            self.teach(row["label"], [row["text"]])
        return Imported(len({row["label"] for row in rows}), len(rows), 0, [])

    def export_text(self, format):
        return "".join(
            json.dumps({"text": text, "label": name}) + "\n"
            for name, (examples, _) in self.known.items()
            for text in examples
        )

    def map(self):
        return [
            Place(text, name, float(len(text)), float(len(words(text))))
            for name, (examples, _) in self.known.items()
            for text in examples
        ]
