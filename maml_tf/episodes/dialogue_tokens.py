"""Dialogues as token numbers, and which of them the person said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np

from maml_tf.episodes.corpus import CorpusError
from maml_tf.episodes.dialogues import Dialogue, DialogueCorpus, Turn
from maml_tf.text_lengths import bucket_for

# Dialogues are padded to multiples of a few dozen tokens, so that few shapes occur.
LENGTHS = (32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048)


class ChatTemplate(Protocol):
    """The control tokens that a chat model puts around turns, by number."""

    @property
    def start(self) -> Sequence[int]: ...
    @property
    def before_user(self) -> Sequence[int]: ...
    @property
    def before_assistant(self) -> Sequence[int]: ...
    @property
    def after_turn(self) -> Sequence[int]: ...


Tokenize = Callable[[list[str]], Sequence[Sequence[int]]]


@dataclass(frozen=True)
class EncodedDialogues:
    """Dialogues as numbers, without padding.

    Attributes:
        token_ids: for each dialogue, int32 `[length]`.
        own: for each dialogue, float32 `[length]`, 1 for the tokens that the person
            said, the end of a turn among them, and 0 for all others.
        rows_of_groups: the places of each person's dialogues.
        groups: the names of the people.
        cropped: how many dialogues lost turns at their end.
    """

    token_ids: list[np.ndarray]
    own: list[np.ndarray]
    rows_of_groups: list[np.ndarray]
    groups: tuple[str, ...]
    cropped: int = 0

    @property
    def lengths(self) -> np.ndarray:
        """The tokens of each dialogue."""
        return np.array([len(ids) for ids in self.token_ids])

    def batch(
        self, rows: Any, length: int | None = None
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Inputs `[..., length]` and weights `[..., length]` of the dialogues `rows`.

        Args:
            rows: places of dialogues, of any shape.
            length: to pad to; None for the smallest of a few that holds the longest.
        """
        rows = np.asarray(rows)
        flat = rows.reshape(-1)
        if length is None:
            length = bucket_for(int(self.lengths[flat].max()), LENGTHS)
        ids = np.zeros((len(flat), length), "int32")
        mask, own = np.zeros_like(ids), np.zeros(ids.shape, "float32")
        for place, row in enumerate(flat):
            count = len(self.token_ids[row])
            ids[place, :count] = self.token_ids[row]
            own[place, :count] = self.own[row]
            mask[place, :count] = 1
        shape = (*rows.shape, length)
        inputs = {"token_ids": ids.reshape(shape), "padding_mask": mask.reshape(shape)}
        return inputs, own.reshape(shape)


def encode_dialogues(
    corpus: DialogueCorpus,
    tokenize: Tokenize,
    chat_template: ChatTemplate,
    *,
    max_length: int,
    show_persona: bool = False,
) -> EncodedDialogues:
    """Tokenises every dialogue once.

    Args:
        corpus: the dialogues.
        tokenize: from strings to token numbers. What looks like a control token in a
            string is text.
        chat_template: what stands around turns; the person is its assistant.
        max_length: the most tokens of a dialogue; turns that do not fit are left off
            at its end.
        show_persona: let the first turn of the other begin with the sentences that
            describe the person.

    Raises:
        CorpusError: if not even the first turn of both fits.
    """
    tokens, own = [], []
    cropped = 0
    turns_of = [_turns(dialogue, show_persona) for dialogue in corpus.dialogues]
    # All at once: a tokenizer in a graph takes as long for one text as for hundreds.
    every = iter(tokenize([turn.text for turns in turns_of for turn in turns]))
    for dialogue, turns in zip(corpus.dialogues, turns_of, strict=True):
        pieces = []
        for turn, said in zip(turns, islice(every, len(turns)), strict=True):
            before = (
                chat_template.before_assistant
                if turn.own
                else chat_template.before_user
            )
            ended = [*said, *chat_template.after_turn]
            pieces.append((turn.own, np.array(before), np.array(ended)))
        ids, weights, whole = _joined(chat_template.start, pieces, max_length)
        if not weights.any():
            raise CorpusError(
                f"{dialogue.place or 'A dialogue'} has no turn of the person within "
                f"{max_length} tokens; allow longer dialogues or shorten its turns."
            )
        tokens.append(ids)
        own.append(weights)
        cropped += not whole
    return EncodedDialogues(
        tokens, own, corpus.rows_of_groups(), corpus.groups, cropped
    )


def _turns(dialogue: Dialogue, show_persona: bool) -> tuple[Turn, ...]:
    if not show_persona or not dialogue.persona:
        return dialogue.turns
    return (Turn(" ".join(dialogue.persona), False), *dialogue.turns)


def _joined(
    start: Sequence[int], pieces: list[Any], max_length: int
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Tokens and weights of the turns that fit, up to the person's last."""
    ids, weights = [np.array(start, "int32")], [np.zeros(len(start), "float32")]
    total, kept = len(start), 1
    for is_own, before, said in pieces:
        total += len(before) + len(said)
        if total > max_length:
            break
        ids += [before, said]
        weights += [
            np.zeros(len(before), "float32"),
            np.full(len(said), float(is_own), "float32"),
        ]
        if is_own:
            kept = len(ids)
    # What the other said last is answered by nobody, so nothing is learned of it.
    whole = kept == 1 + 2 * len(pieces) or (
        not pieces[-1][0] and kept == 2 * len(pieces) - 1
    )
    return (
        np.concatenate(ids[:kept]).astype("int32"),
        np.concatenate(weights[:kept]),
        whole,
    )
