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
# The same of tokens that are asked for, of which each costs as much as several blocks.
_ASKED_AT_A_TIME = 16


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
        """Inputs of the dialogues `rows`, and the weights of the tokens asked for.

        Asked for are the tokens that the person said alone (`places` of a
        `CausalLanguageModel`): scoring words is most of the work of a small model.

        Args:
            rows: places of dialogues, of any shape.
            length: to pad to; None for the smallest of a few that holds the longest.

        Returns:
            `token_ids` and `padding_mask` `[..., length]` and `places` `[..., asked]`,
            and weights `[..., asked]`, 0 where a dialogue has fewer of them than
            another.
        """
        rows = np.asarray(rows)
        flat = rows.reshape(-1)
        inputs, weights = padded(
            [self.token_ids[row] for row in flat],
            [self.own[row] for row in flat],
            length,
        )
        shaped = {
            name: value.reshape(*rows.shape, -1) for name, value in inputs.items()
        }
        return shaped, weights.reshape(*rows.shape, -1)


def padded(
    token_ids: Sequence[np.ndarray],
    own: Sequence[np.ndarray],
    length: int | None = None,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Texts as the inputs of a causal language model that is asked for own tokens.

    Args:
        token_ids: the tokens of each text.
        own: for each, the weights of its tokens; those of none are not asked for.
        length: to pad to; None for the smallest of a few that holds the longest.

    Returns:
        `token_ids` and `padding_mask` `[texts, length]` and `places` `[texts, asked]`,
        and weights `[texts, asked]`.

    Example:

    >>> inputs, weights = padded([np.array([5, 6, 7])], [np.array([0.0, 0.0, 1.0])], 4)
    >>> inputs["token_ids"].tolist(), inputs["places"][0, :2].tolist()
    ([[5, 6, 7, 0]], [2, 1])
    >>> weights[0, :2].tolist()
    [1.0, 0.0]
    """
    if length is None:
        length = bucket_for(max(len(ids) for ids in token_ids), LENGTHS)
    # The first token has nothing before it that could foretell it.
    asked = [1 + np.flatnonzero(weights[1:]) for weights in own]
    ids = np.zeros((len(token_ids), length), "int32")
    mask = np.zeros_like(ids)
    most = -(-max(map(len, asked)) // _ASKED_AT_A_TIME) * _ASKED_AT_A_TIME
    places = np.ones((len(token_ids), min(most, length - 1)), "int32")
    weights = np.zeros(places.shape, "float32")
    for row, (tokens, which) in enumerate(zip(token_ids, asked, strict=True)):
        ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, 1
        places[row, : len(which)] = which
        weights[row, : len(which)] = own[row][which]
    return {"token_ids": ids, "padding_mask": mask, "places": places}, weights


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
