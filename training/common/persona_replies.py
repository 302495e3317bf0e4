"""What people would reply under each method, beside what they replied.

Everybody is asked in the middle of dialogues that nothing was learned from. Counted is
how often a reply touches on the sentences that describe its person
(`maml_tf.evaluation.persona_consistency`), and what learning and replying cost.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from maml_tf.episodes.dialogue_tokens import EncodedDialogues
from maml_tf.episodes.dialogues import Dialogue, DialogueCorpus
from maml_tf.evaluation.perplexity import PersonaTask, mean_and_half_interval
from maml_tf.evaluation.persona_consistency import consistency
from maml_tf.evaluation.response_selection import ResponseSelection
from maml_tf.serving import Client
from maml_tf.serving.learner_transport import LearnerTransport
from maml_tf.serving.limits import Limits

from .tables import markdown_table

# What one said, and what the other answered.
Exchanges = list[tuple[str, str]]
SAID, SELECTED = "what they said", "response selection"
SECONDS = 600.0
# No dialogues are refused that the losses were measured on.
LIMITS = Limits(examples=10**6, queries=10**6, text_bytes=10**7)
MAX_TOKENS = 10**6


@dataclass(frozen=True)
class Person:
    """Somebody who replies.

    Attributes:
        group: their name.
        persona: sentences that describe them.
        support: dialogues to learn from.
        asked: conversations that end with the other's turn.
        said: what they replied to each.
    """

    group: str
    persona: tuple[str, ...]
    support: list[Exchanges]
    asked: list[list[str]]
    said: list[str]


class Replies:
    """Replies of every method to the same conversations.

    Args:
        people: who is asked.
        max_new_tokens: the most tokens of a reply.
    """

    def __init__(self, people: list[Person], max_new_tokens: int) -> None:
        self.people, self.max_new_tokens = people, max_new_tokens
        self.texts: dict[str, list[list[str]]] = {SAID: [p.said for p in people]}
        self.costs: dict[str, dict[str, float]] = {}
        self._last: tuple[Any, Any] = (None, None)

    def add(self, name: str, written: dict[str, Any]) -> None:
        """What a method replied, as `write` and `select` return it."""
        self.texts[name], self.costs[name] = written["texts"], written["costs"]

    def write(self, learner: Any, *, learns: bool, context: bool) -> dict[str, Any]:
        """Lets a language model write.

        Args:
            learner: as of an export of a language model.
            learns: whether it takes its inner steps on a person's dialogues.
            context: whether these stand before what is asked.

        Returns:
            Texts, a list of everybody's, and costs, as JSON can hold them.
        """
        if self._last[0] is not learner:  # each client traces anew
            transport = LearnerTransport(learner, limits=LIMITS, max_tokens=MAX_TOKENS)
            self._last = (learner, Client(transport, timeout=SECONDS))
        client = self._last[1]

        def learn(person: Person) -> Any:
            if not learns:
                return None
            return client.adapt_dialogues([_turns(d) for d in person.support])

        def reply(state: Any, person: Person, asked: list[str]) -> str:
            before = [t for d in person.support for t in _turns(d)] if context else []
            return client.generate(
                state, [*before, *asked], max_new_tokens=self.max_new_tokens
            )

        return self._collect(learn, reply, lambda state: len(state.to_bytes()))

    def select(self, embed: Callable[[list[str]], np.ndarray]) -> dict[str, Any]:
        """Lets everybody repeat what they said where it is nearest to what is asked."""

        def learn(person: Person) -> ResponseSelection:
            exchanges = [pair for dialogue in person.support for pair in dialogue]
            return ResponseSelection(embed, exchanges)

        return self._collect(
            learn,
            lambda chosen, person, asked: chosen.reply(asked[-1]),
            lambda chosen: chosen.size_in_bytes,
        )

    def _collect(
        self,
        learn: Callable[[Person], Any],
        reply: Callable[[Any, Person, list[str]], str],
        size: Callable[[Any], int],
    ) -> dict[str, Any]:
        learning, replying, sizes = [], [], [0]
        texts: list[list[str]] = []
        for person in self.people:
            began = time.monotonic()
            state = learn(person)
            learning.append(time.monotonic() - began)
            if state is not None:
                sizes.append(size(state))
            texts.append([])
            for asked in person.asked:
                began = time.monotonic()
                texts[-1].append(reply(state, person, asked).strip())
                replying.append(time.monotonic() - began)
        # The median leaves out the first, which traces.
        costs = {
            "seconds_to_learn": round(statistics.median(learning), 3),
            "bytes": max(sizes),
            "milliseconds_a_reply": round(1000 * statistics.median(replying), 1),
        }
        return {"texts": texts, "costs": costs}

    def result(self) -> dict[str, Any]:
        """Shares, costs and all texts, a JSON object."""
        described = [p for p in self.people if p.persona]
        found: dict[str, Any] = {"max_new_tokens": self.max_new_tokens}
        if len(described) > 1:
            found["consistency"] = {
                name: self._consistency(texts, described)
                for name, texts in self.texts.items()
            }
        found["costs"] = self.costs
        found["samples"] = [
            {
                "person": person.group,
                "persona": list(person.persona),
                "asked": asked,
                "replies": {
                    name: texts[place][number] for name, texts in self.texts.items()
                },
            }
            for place, person in enumerate(self.people)
            for number, asked in enumerate(person.asked)
        ]
        return found

    def _consistency(
        self, texts: list[list[str]], described: list[Person]
    ) -> dict[str, float]:
        """Per cent of replies that touch on the person's sentences, and by chance."""
        own, chance = [], []
        for person, replies in zip(self.people, texts, strict=True):
            if person in described:
                others = [p.persona for p in described if p is not person]
                shares = consistency(replies, person.persona, others)
                own.append(100 * shares[0])
                chance.append(100 * shares[1])
        above, half = mean_and_half_interval(np.array(own) - np.array(chance))
        return {
            "own": round(float(np.mean(own)), 1),
            "others": round(float(np.mean(chance)), 1),
            "above": round(above, 1),
            "above_ci95": round(half, 1),
        }


def people_of(
    corpus: DialogueCorpus,
    encoded: EncodedDialogues,
    tasks: Sequence[PersonaTask],
    *,
    support: int,
    asked: int,
) -> list[Person]:
    """The people of tasks, with as much of their dialogues as is learned from.

    Args:
        corpus: where they are from.
        encoded: the same, cut to a number of tokens.
        tasks: one of each person.
        support: dialogues to learn from.
        asked: conversations of each.
    """
    found = []
    for task in tasks:
        dialogues = [corpus.dialogues[row] for row in task.query[:asked]]
        conversations = [each for each in map(_exchanges, dialogues) if each]
        learned = [
            _exchanges(corpus.dialogues[row])[: _own_turns(encoded.own[row])]
            for row in task.support[:support]
        ]
        learned = [each for each in learned if each]
        if not learned or not conversations:
            continue
        halves = [each[: (len(each) + 1) // 2] for each in conversations]
        found.append(
            Person(
                task.group,
                dialogues[0].persona,
                learned,
                asked=[_turns(half)[:-1] for half in halves],
                said=[half[-1][1] for half in halves],
            )
        )
    return found


def tables_of(replies: dict[str, Any], shown: int = 3) -> str:
    """What a result says, as Markdown: consistency, costs, and some samples."""
    consistent = replies.get("consistency", {})
    rows = []
    for name in dict.fromkeys([*consistent, *replies["costs"]]):
        share, cost = consistent.get(name), replies["costs"].get(name)
        rows.append(
            [
                name,
                f"{share['own']} %" if share else "",
                f"{share['above']:+} ± {share['above_ci95']}" if share else "",
                f"{cost['seconds_to_learn']}" if cost else "",
                f"{cost['bytes']}" if cost else "",
                f"{cost['milliseconds_a_reply']}" if cost else "",
            ]
        )
    head = [
        "replies",
        "touch on the person's sentences",
        "above others' sentences",
        "seconds to learn",
        "bytes",
        "ms a reply",
    ]
    found = [markdown_table(head, rows)]
    for sample in replies["samples"][:shown]:
        said = [["asked", sample["asked"][-1]], *map(list, sample["replies"].items())]
        found.append(
            f"Person {sample['person']}: {' '.join(sample['persona'])}\n\n"
            # A reply may have lines of its own, which would end its cell.
            + markdown_table(["", ""], [[a, " ".join(b.split())] for a, b in said])
        )
    return "\n\n".join(found)


def _turns(exchanges: Exchanges) -> list[str]:
    return [turn for exchange in exchanges for turn in exchange]


def _exchanges(dialogue: Dialogue) -> Exchanges:
    """Turns of the other that the person answered, with the answers."""
    return [
        (turn.text, answer.text)
        for turn, answer in zip(dialogue.turns, dialogue.turns[1:], strict=False)
        if answer.own and not turn.own
    ]


def _own_turns(own: np.ndarray) -> int:
    """How many turns of the person the weights of a dialogue's tokens hold.

    Example:

    >>> _own_turns(np.array([0.0, 1, 1, 0, 0, 1]))
    2
    """
    return int((np.diff(own, prepend=0.0) > 0).sum())
