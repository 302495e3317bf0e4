"""What a language model puts around the turns of a conversation."""

import dataclasses
import re
from typing import Any

import keras

CHATML_START, CHATML_END = "<|im_start|>", "<|im_end|>"
_SYSTEM_TURN = re.compile(r"<\|im_start\|>system(?:\n|\\n)(.+?)<\|im_end\|>", re.DOTALL)


@keras.saving.register_keras_serializable(package="maml_tf")
@dataclasses.dataclass(frozen=True)
class ChatTemplate:
    """Token ids around turns; a conversation is `start` and then its turns.

    Control tokens are here by their ids; no text is ever read as one.

    Attributes:
        start: Before the first turn, a system prompt for instance.
        before_user: Before a turn of the user.
        before_assistant: Before a turn of the assistant; what a reply is generated
            after.
        after_turn: After every turn.
        control: Further control tokens; a reply in which one comes ends there.
        end_of_turn: The id with which the model ends its reply, the first of
            `after_turn`.

    Example:

    >>> ChatTemplate((), (7, 8), (7, 9), (2, 3)).end_of_turn
    2
    """

    start: tuple[int, ...]
    before_user: tuple[int, ...]
    before_assistant: tuple[int, ...]
    after_turn: tuple[int, ...]
    control: tuple[int, ...] = ()

    def get_config(self) -> dict[str, tuple[int, ...]]:
        """Returns the arguments of the constructor."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ChatTemplate":
        """Makes one from what `get_config` gave, lists for tuples."""
        return cls(**{name: tuple(ids) for name, ids in config.items()})

    @property
    def end_of_turn(self) -> int:
        """The id that ends a turn."""
        return self.after_turn[0]


def chatml_template(
    tokenizer: Any, start_id: int, end_id: int, system_prompt: str | None = None
) -> ChatTemplate:
    """ChatML, as SmolLM2 and Qwen were tuned on.

    Args:
        tokenizer: Text to ids.
        start_id: Of "<|im_start|>".
        end_id: Of "<|im_end|>".
        system_prompt: What stands before every conversation; None for nothing.

    Returns:
        The template.
    """

    def ids(text: str) -> tuple[int, ...]:
        return _ids(tokenizer, text)

    after_turn = (end_id, *ids("\n"))
    start: tuple[int, ...] = ()
    if system_prompt is not None:
        start = (start_id, *ids("system\n"), *ids(system_prompt), *after_turn)
    return ChatTemplate(
        start=start,
        before_user=(start_id, *ids("user\n")),
        before_assistant=(start_id, *ids("assistant\n")),
        after_turn=after_turn,
        control=(start_id,),
    )


def plain_template(
    tokenizer: Any, end_id: int, start: tuple[int, ...] = ()
) -> ChatTemplate:
    """Lines "User:" and "Assistant:" for a model that was tuned on no conversations.

    Args:
        tokenizer: Text to ids.
        end_id: The id that ends a text, or any that a reply will not contain.
        start: Ids before the first turn.

    Returns:
        The template.
    """
    return ChatTemplate(
        start=start,
        before_user=_ids(tokenizer, "User:\n"),
        before_assistant=_ids(tokenizer, "Assistant:\n"),
        after_turn=(end_id, *_ids(tokenizer, "\n")),
    )


def default_system_prompt(jinja_template: str) -> str | None:
    """The system prompt that a ChatML template brings where a caller gives none.

    Args:
        jinja_template: As it stands in a GGUF file or tokenizer_config.json.

    Returns:
        The prompt, or None where the template has none.

    Example:

    >>> default_system_prompt("{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}")
    'Be kind.'
    """
    found = _SYSTEM_TURN.search(jinja_template)
    # A template without a default one pastes the caller's in: '...' + content + '...'.
    return None if found is None or "'" in found[1] else found[1]


def _ids(tokenizer: Any, text: str) -> tuple[int, ...]:
    """A text's ids."""
    return tuple(int(number) for number in tokenizer(text))
