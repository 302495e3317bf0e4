"""Any number of people, each known by dialogues, on one served language model."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maml_tf.serving.client import Client
from maml_tf.serving.results import AdaptedState, RequestError
from maml_tf.serving.tenant_backends import (
    Answer,
    TenantBackend,
    ask_learned,
    backend_at,
)
from maml_tf.serving.texts import encoded_texts, is_blank

# A backend keeps pairs; the second of each says that the first is a dialogue.
KIND = "dialogue"


class DialogueStore:
    """Dialogues and adapted states of people, learned anew only when need be.

    A person is learned when they are first asked after a change of their dialogues, and
    when the service says that their state was made by another version of the model.

    Args:
        where: a file for SQLite, `redis://host:6379/0`, or a `TenantBackend`; not one
            that holds bots of intents.
        client: the service that learns and answers.

    Example:

    >>> import os, tempfile
    >>> store = DialogueStore(os.path.join(tempfile.mkdtemp(), "people.sqlite"), None)
    >>> store.add("ann", [["hi", "ahoy!"]])
    >>> store.people(), store.dialogues("ann")
    (['ann'], [['hi', 'ahoy!']])
    """

    def __init__(self, where: str | Path | TenantBackend, client: Client) -> None:
        self.backend = backend_at(where)
        self.client = client

    def add(self, person: str, dialogues: Sequence[Sequence[str]]) -> None:
        """Adds dialogues to a person; all of them, or none.

        Args:
            person: a name.
            dialogues: of each the turns in order, the user's first, then the person's.

        Raises:
            RequestError: naming what nothing could be learned from.
        """
        new = [_checked(turns, f"dialogues[{n}]") for n, turns in enumerate(dialogues)]
        self.backend.add(person, [(json.dumps(turns), KIND) for turns in new])

    def dialogues(self, person: str) -> list[list[str]]:
        """The person's dialogues, oldest first."""
        return _dialogues_in(person, self.backend.read(person).examples)

    def remove(self, person: str, dialogue: Sequence[str]) -> int:
        """Removes the dialogues with these turns, and says how many there were."""
        return self.backend.remove(person, json.dumps(list(dialogue)))

    def people(self) -> list[str]:
        """The names of all people that have dialogues."""
        return self.backend.bots()

    def delete(self, person: str) -> None:
        """Removes a person with all that was learned."""
        self.backend.delete(person)

    def generate(self, person: str, turns: Sequence[str], **sampling: Any) -> str:
        """The person's reply to a conversation; see `Client.generate`.

        Raises:
            RequestError: if there is no such person, or the request is at fault.
            ServiceError: if there was no answer in time.
        """
        return self._ask(
            person, lambda state: self.client.generate(state, turns, **sampling)
        )

    def score(
        self, person: str, turns: Sequence[str], replies: Sequence[str]
    ) -> np.ndarray:
        """How likely each reply is from the person; see `Client.score`.

        Raises:
            RequestError, ServiceError: see `generate`.
        """
        return self._ask(person, lambda state: self.client.score(state, turns, replies))

    def _ask(self, person: str, ask: Callable[[AdaptedState], Answer]) -> Answer:
        found = self.backend.read(person)
        dialogues = _dialogues_in(person, found.examples)
        if not dialogues:
            raise RequestError(f"Nobody is called {person!r}; add dialogues first.")
        return ask_learned(
            self.backend,
            person,
            found,
            lambda: self.client.adapt_dialogues(dialogues),
            ask,
        )


def _dialogues_in(person: str, examples: list[tuple[str, str]]) -> list[list[str]]:
    if any(kind != KIND for _, kind in examples):
        raise RequestError(
            f"{person!r} is a bot of intents; keep people in a store of their own."
        )
    return [json.loads(turns) for turns, _ in examples]


def _checked(turns: Any, name: str) -> list[str]:
    encoded_texts(turns, name)
    turns = list(turns)
    for place, turn in enumerate(turns):
        if not isinstance(turn, str):
            raise RequestError(f"{name}[{place}] has to be a text, not bytes.")
        if is_blank(turn):
            raise RequestError(
                f"{name}[{place}] is an empty turn; leave it out or write something."
            )
    if len(turns) < 2:
        raise RequestError(
            f"{name} needs turns of both sides, the user's and the person's."
        )
    return turns
