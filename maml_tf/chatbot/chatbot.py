"""The chatbot that people talk to and teach."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from maml_tf.bot import client_of
from maml_tf.chatbot import teaching
from maml_tf.chatbot.answers import Answering
from maml_tf.chatbot.checks import checked_name, checked_text, listed
from maml_tf.chatbot.files import export_text, import_file
from maml_tf.chatbot.learning import Learning, too_little
from maml_tf.chatbot.manner import Manner
from maml_tf.chatbot.memory import Change, Memory, Verdict
from maml_tf.chatbot.reasons import doubts, on_a_map
from maml_tf.chatbot.records import Event, Imported, Intent, Place, Reply, Taught
from maml_tf.chatbot.teaching import Lesson
from maml_tf.episodes.class_names import texts_of_names
from maml_tf.serving.client import Client
from maml_tf.serving.limits import Limits
from maml_tf.serving.model_limits import limits_of
from maml_tf.serving.negatives import NEGATIVE
from maml_tf.serving.results import RequestError, ServiceError


class Chatbot:
    """A bot that is taught while it talks, and forgets nothing.

    Whatever a call has acknowledged is on the disk. Threads may share a chatbot, and
    processes its file. Texts are of any language.

    Args:
        model: what learns and answers: the folder of an export, a `Client`, a learner,
            or None for the meta-trained default in this process.
        where: a SQLite file, made if need be, the same as a `TenantStore`'s.
        bot: the name of the bot in it; there may be many.
        language_model: a `Client` of an exported language model. It then replies to
            what the bot takes for an intent, in the manner of the taught responses.
        limits: those of the export, where a server has others than the default.

    Raises:
        RequestError: if the file is no store of bots, or of a newer version.

    Example:

    >>> import os, tempfile
    >>> from maml_tf.default_learner import default_learner
    >>> where = os.path.join(tempfile.mkdtemp(), "bots.sqlite")
    >>> model = default_learner("scratch:num_layers=1,hidden_dim=8")
    >>> bot = Chatbot(model, where, bot="shop")
    >>> bot.teach("track", ["where is my parcel"], ["It is on its way."]).added
    1
    >>> bot.teach("refund", ["I want my money back"], ["You get it within a week."])
    Taught(intent='refund', added=1, warnings=[])
    >>> reply = bot.reply("where is my parcel")
    >>> reply.alternatives[0].intent, reply.because[0].text
    ('track', 'where is my parcel')
    >>> bot.undo()
    'taught refund: 1 example, 1 response'
    """

    def __init__(
        self,
        model: Any,
        where: str | Path,
        bot: str = "bot",
        *,
        language_model: Any = None,
        limits: Limits | None = None,
    ) -> None:
        self.bot = checked_name(bot, "bot")
        self.memory = Memory(where)
        self.client: Client = client_of(model)
        self.limits = limits or limits_of(self.client)
        self.learning = Learning(self.client, self.memory, self.bot)
        manner = language_model and Manner(language_model, self.memory, self.bot)
        self._answering = Answering(self.learning, manner)

    @staticmethod
    def bots(where: str | Path) -> list[str]:
        """The names of all bots in a file; none where there is no file."""
        if not Path(where).expanduser().exists():
            return []
        return Memory(where).bots()

    def teach(
        self, intent: str, examples: Iterable[str] = (), responses: Iterable[str] = ()
    ) -> Taught:
        """Adds examples and responses to an intent, which begins with its first ones.

        A new intent without examples is taught by its name alone, as "lost_card" can
        be. `{city}` in an example makes a pattern of it, and `{city}` in a response
        then says what a text has there.

        Raises:
            RequestError: naming what cannot be taught; nothing is stored then.
        """
        intent = checked_name(intent)
        lesson = Lesson(
            intent,
            [
                checked_text(text, f"Example {place}", self.limits)
                for place, text in enumerate(listed(examples, "examples"), start=1)
            ],
            [
                checked_text(text, f"Response {place}", self.limits)
                for place, text in enumerate(listed(responses, "responses"), start=1)
            ],
        )

        def decide(change: Change) -> tuple[str, str, tuple[Taught, Lesson]]:
            full = self._with_name(lesson, change)
            taught = teaching.teach(change, full, self.limits)
            counts = [
                _count(taught.added, "example"),
                _count(len(change.added["responses"]), "response"),
            ]
            said = ", ".join(filter(None, counts)) or "nothing new"
            return "teach", f"taught {intent}: {said}", (taught, full)

        taught, full = self.memory.change(self.bot, decide)
        return self._looked_over(taught, full.examples)

    def _with_name(self, lesson: Lesson, change: Change) -> Lesson:
        is_known = any(label == lesson.intent for _, label in change.rows("examples"))
        if lesson.examples or (is_known and lesson.responses):
            return lesson
        if is_known:
            raise RequestError(
                f"Give examples or responses to teach more of {lesson.intent!r}."
            )
        try:
            return lesson._replace(examples=texts_of_names([lesson.intent]))
        except ValueError as error:
            raise RequestError(str(error)) from error

    def reply(self, text: str) -> Reply:
        """What the bot says to a text.

        Raises:
            RequestError: if there is nothing to read, or too much.
            ServiceError: if the model gave no answer in time.
        """
        return self._answering.reply(checked_text(text, "The text", self.limits))

    def correct(self, text: str, intent: str) -> Taught:
        """Makes a text an example of an intent, and of no other.

        A correction that the intent's other examples contradict is stored and pointed
        out in `warnings`.
        """
        text = checked_text(text, "The text", self.limits)
        return self._corrected(text, checked_name(intent), "correct")

    def never(self, text: str) -> Taught:
        """Says that no intent is right for a text."""
        text = checked_text(text, "The text", self.limits)
        return self._corrected(text, NEGATIVE, "never")

    def _corrected(self, text: str, intent: str, kind: str) -> Taught:
        def decide(change: Change) -> tuple[str, str, Taught]:
            taught = teaching.correct(change, text, intent, self.limits)
            to = "no intent" if intent == NEGATIVE else intent
            return kind, f"{_short(text)} is for {to}", taught

        return self._looked_over(self.memory.change(self.bot, decide), [text])

    def forget(self, intent: str) -> int:
        """Removes an intent with its examples and responses; how many examples.

        `NEGATIVE` of `maml_tf.serving` stands for the texts that are for none.

        Raises:
            RequestError: if there is no such intent.
        """

        def decide(change: Change) -> tuple[str, str, int]:
            count = teaching.forget(change, intent)
            return "forget", f"forgot {intent}: {_count(count, 'example')}", count

        return self.memory.change(self.bot, decide)

    def forget_example(self, intent: str, text: str) -> int:
        """Removes a text from an intent; how many examples there were.

        Raises:
            RequestError: if there is no such intent or example.
        """

        def decide(change: Change) -> tuple[str, str, int]:
            count = teaching.forget_example(change, intent, text)
            return "forget", f"forgot {_short(text)} of {intent}", count

        return self.memory.change(self.bot, decide)

    def undo(self) -> str:
        """Takes back the newest change that still stands, and says which it was.

        What it removed is back in its old place; what it added is gone. Called again,
        it goes on with the change before.

        Raises:
            RequestError: if there is nothing to undo.
        """
        return self.memory.undo(self.bot)

    def history(self, newest: int | None = None) -> list[Event]:
        """Every change, undone ones and the undoing included, newest last.

        Args:
            newest: give no more than so many.
        """
        return self.memory.history(self.bot, -1 if newest is None else newest)

    def revision(self) -> int:
        """The number of the newest change; 0 before the first."""
        events = self.memory.history(self.bot, 1)
        return events[0].number if events else 0

    def intents(self) -> list[Intent]:
        """All intents with examples and responses, in the order of their names."""
        found: dict[str, Intent] = {}
        for text, label in self.memory.rows(self.bot, "examples"):
            if label != NEGATIVE:
                found.setdefault(label, Intent(label, [], [])).examples.append(text)
        for name, response in self.memory.rows(self.bot, "responses"):
            found.setdefault(name, Intent(name, [], [])).responses.append(response)
        return [found[name] for name in sorted(found)]

    def negatives(self) -> list[str]:
        """The texts that are for no intent, oldest first."""
        rows = self.memory.rows(self.bot, "examples")
        return [text for text, label in rows if label == NEGATIVE]

    def verdicts(self) -> list[Verdict]:
        """What people thought of replies, oldest first."""
        return self.memory.verdicts(self.bot)

    def thumbs(self, reply: Reply, up: bool) -> Taught:
        """Learns from what a person thinks of a reply.

        A liked generated reply becomes part of the bot's manner, and a disliked reply
        is not given to that text again. Liking a response that was taught makes the
        text an example of its intent.

        Raises:
            RequestError: if the reply is no answer, or says that none was taught.
        """
        if reply.intent is None or not reply.asked:
            raise RequestError(
                "That was no answer to be judged; correct it, or say that no intent is "
                "right."
            )
        if up and reply.kind == "answer":
            return self.teach(reply.intent, [reply.asked])

        def decide(change: Change) -> tuple[str, str, Taught]:
            teaching.judge(change, reply.asked, reply.text, up)
            summary = f"{'liked' if up else 'disliked'} {_short(reply.text)}"
            return "thumbs", summary, Taught(str(reply.intent), 0)

        return self.memory.change(self.bot, decide)

    def import_file(self, path: str | Path) -> Imported:
        """Adds what a file teaches: Rasa NLU YAML, with responses, or JSON lines.

        Which of them it is, its content tells. All of it is added or nothing; what is
        there already, and what cannot be taught, is named in `skipped`.

        Raises:
            RequestError: naming the file, the line and what is wrong there.
        """
        return import_file(path, self.memory, self.bot, self.limits)

    def export_text(self, format: str = "rasa") -> str:
        """All that was taught as Rasa NLU YAML or JSON lines, to be imported again.

        Args:
            format: "rasa", or "jsonl", which also keeps what people thought of replies.
        """
        return export_text(format, self.intents(), self.negatives(), self.verdicts())

    def export_file(self, path: str | Path) -> None:
        """Writes `export_text`: JSON lines where the name ends in .jsonl, else YAML.

        Raises:
            RequestError: if the file cannot be written; an old one is then kept.
        """
        path = Path(path).expanduser()
        text = self.export_text("jsonl" if path.suffix == ".jsonl" else "rasa")
        aside = path.with_name(f".{path.name}.unfinished")
        try:
            aside.write_text(text, encoding="utf-8")
            aside.replace(path)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise RequestError(
                f"{path} cannot be written: {error.strerror or error}."
            ) from error

    def map(self) -> list[Place]:
        """Where the examples lie: two principal components of their vectors."""
        rows = self.memory.rows(self.bot, "examples")
        if not rows:
            return []
        labels = [label for _, label in rows]
        if too_little(labels):
            texts = [text for text, _ in rows]
            vectors = self.learning.vectors_of(texts)
        else:
            learned = self.learning.learned()
            texts, labels = learned.texts, list(learned.labels)
            vectors = learned.vectors
        places = on_a_map(np.asarray(vectors, "float64"))
        return [
            Place(text, label, float(x), float(y))
            for text, label, (x, y) in zip(texts, labels, places, strict=True)
        ]

    def _looked_over(self, taught: Taught, texts: Iterable[str]) -> Taught:
        """Learns what was stored, and adds what looks wrong about it."""
        rows = self.memory.rows(self.bot, "examples")
        if not taught.added or too_little([label for _, label in rows]):
            return taught
        try:
            found = doubts(self.learning.learned(), {*texts}, taught.intent)
        except (RequestError, ServiceError) as error:
            found = [f"It is stored, but the model has not learned it: {error}"]
        return Taught(taught.intent, taught.added, [*taught.warnings, *found])


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}" if number else ""


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
